import fc from 'fast-check'
import { fingerprint, seal, sha256, unseal } from './seal.ts'

const key = new Uint8Array(32).map((_, i) => i)
const other = new Uint8Array(32).map((_, i) => i + 1)
const CONTEXT = 'default/backend/openai'

/** The sealed text with one bit of one of its bytes turned over. */
function damaged(sealed: string, at: number): string {
  const bytes = Buffer.from(sealed, 'base64')
  bytes[at] = (bytes[at] ?? 0) ^ 1
  return bytes.toString('base64')
}

describe('seal', () => {
  it('opens with its key in its place, whatever the text is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(unseal(seal(text, key, CONTEXT), key, CONTEXT)).toBe(text)
      }),
      { seed: 1 },
    )
  })

  it('hides the text, and never makes the same bytes twice', () => {
    const [first, second] = [seal('sk-secret', key, CONTEXT), seal('sk-secret', key, CONTEXT)]
    expect(first).not.toBe(second)
    expect(Buffer.from(first, 'base64').includes('sk-secret')).toBe(false)
  })

  it('does not open with another key', () => {
    expect(unseal(seal('sk-secret', other, CONTEXT), key, CONTEXT)).toBeUndefined()
  })

  it('does not open in another place', () => {
    const sealed = seal('sk-secret', key, CONTEXT)
    for (const place of ['default/backend/other', 'other/backend/openai', '', `${CONTEXT} `]) {
      expect(unseal(sealed, key, place)).toBeUndefined()
    }
  })

  it('does not open with any one byte damaged', () => {
    const sealed = seal('sk-secret', key, CONTEXT)
    const bytes = Buffer.from(sealed, 'base64').length
    expect(bytes).toBe(1 + 12 + 16 + 'sk-secret'.length)
    for (let at = 0; at < bytes; at++) {
      expect(unseal(damaged(sealed, at), key, CONTEXT)).toBeUndefined()
    }
  })

  it('does not open where bytes are missing, or were added', () => {
    const bytes = Buffer.from(seal('sk-secret', key, CONTEXT), 'base64')
    for (let length = 0; length < bytes.length; length++) {
      const part = bytes.subarray(0, length).toString('base64')
      expect(unseal(part, key, CONTEXT)).toBeUndefined()
    }
    const longer = Buffer.concat([bytes, Buffer.of(0)]).toString('base64')
    expect(unseal(longer, key, CONTEXT)).toBeUndefined()
  })

  it('does not throw over what never was sealed', () => {
    for (const text of ['', 'sk-secret', '*'.repeat(80), 'A'.repeat(80)]) {
      expect(unseal(text, key, CONTEXT)).toBeUndefined()
    }
  })
})

describe('fingerprint', () => {
  it('is the same for the same secret, and twelve hex digits', () => {
    expect(fingerprint('sk-secret', key)).toMatch(/^[0-9a-f]{12}$/)
    expect(fingerprint('sk-secret', key)).toBe(fingerprint('sk-secret', key))
  })

  it('is another one for another secret and under another key', () => {
    const prints = [
      fingerprint('sk-secret', key),
      fingerprint('sk-secreT', key),
      fingerprint('sk-secret', other),
    ]
    expect(new Set(prints).size).toBe(3)
  })

  it('is no plain digest, which anybody could compare guesses with', () => {
    const plain = Buffer.from(sha256(Buffer.from('sk-secret'))).toString('hex')
    expect(plain.startsWith(fingerprint('sk-secret', key))).toBe(false)
  })
})

describe('sha256', () => {
  it('is the digest of FIPS 180-4', () => {
    const hex = Buffer.from(sha256(Buffer.from('abc'))).toString('hex')
    expect(hex).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })
})
