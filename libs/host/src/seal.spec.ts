import fc from 'fast-check'
import { createCipheriv, hkdfSync } from 'node:crypto'
import { openSealed } from './envelope.ts'
import { fingerprint, keyIdOf, seal, sha256, unseal } from './seal.ts'

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
    expect(bytes).toBe(1 + 4 + 12 + 16 + 'sk-secret'.length)
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

/** As it was sealed before the text named its key: version 1, nonce, tag, ciphertext. */
function sealedBefore(text: string, masterKey: Uint8Array, context: string): string {
  const derived = Buffer.from(hkdfSync('sha256', masterKey, '', 'signalbox/seal', 32))
  const nonce = Buffer.alloc(12, 7)
  const cipher = createCipheriv('aes-256-gcm', derived, nonce).setAAD(Buffer.from(context))
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return Buffer.concat([Buffer.of(1), nonce, cipher.getAuthTag(), body]).toString('base64')
}

describe('several master keys', () => {
  const both = { masterKey: other, previousMasterKeys: [key] }

  it('open what any of them sealed, and say which one it was', () => {
    for (const one of [key, other]) {
      const opened = { ok: true, text: 'sk-secret', keyId: keyIdOf(one) }
      expect(openSealed(seal('sk-secret', one, CONTEXT), both, CONTEXT)).toEqual(opened)
      expect(openSealed(sealedBefore('sk-secret', one, CONTEXT), both, CONTEXT)).toEqual(opened)
    }
  })

  it('say which one is missing, and which are here', () => {
    const sealed = seal('sk-secret', key, CONTEXT)
    const problem = `is sealed under master key ${keyIdOf(key)}; here is ${keyIdOf(other)}`
    expect(openSealed(sealed, { masterKey: other }, CONTEXT)).toEqual({
      ...{ ok: false, keyId: keyIdOf(key), problem },
    })
    const older = openSealed(sealedBefore('sk-secret', key, CONTEXT), { masterKey: other }, CONTEXT)
    expect(older).toMatchObject({ ok: false, keyId: null })
  })

  it('do not open what is damaged, moved, or never was sealed', () => {
    const sealed = seal('sk-secret', key, CONTEXT)
    const wrong = [damaged(sealed, 40), damaged(sealed, 2), 'sk-secret', '']
    for (const text of wrong) expect(openSealed(text, both, CONTEXT).ok).toBe(false)
    expect(openSealed(sealed, both, 'default/backend/other')).toMatchObject({
      problem: expect.stringMatching(/damaged, or was sealed for another place/),
    })
  })

  it('are named by ids that differ and are no plain digest of them', () => {
    expect(keyIdOf(key)).toMatch(/^[0-9a-f]{8}$/)
    expect(keyIdOf(key)).not.toBe(keyIdOf(other))
    expect(Buffer.from(sha256(key)).toString('hex')).not.toContain(keyIdOf(key))
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
