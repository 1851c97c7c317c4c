import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { chainHash, hashHolds, toHex } from './chain.ts'
import { GENESIS_HASH, type RevisionMessage } from './event.ts'

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()

function message(body: string, link: Partial<RevisionMessage> = {}): RevisionMessage {
  const unhashed = {
    lineage: 'l1',
    epoch: 1,
    revision: 1,
    previousHash: GENESIS_HASH,
    hash: '',
    body,
    ...link,
  }
  return { ...unhashed, hash: chainHash(unhashed, sha256) }
}

describe('chainHash', () => {
  it('hashes 0x01, previous, epoch, revision and the leaf, numbers as signed 64-bit big-endian', () => {
    const previous = 'ab'.repeat(32)
    const leaf = createHash('sha256')
      .update(Buffer.from([0]))
      .update('{"ä":1}')
      .digest()
    const node = Buffer.concat([
      Buffer.from([1]),
      Buffer.from(previous, 'hex'),
      Buffer.from('0000000000000002', 'hex'),
      Buffer.from('0000000100000003', 'hex'),
      leaf,
    ])
    const link = { previousHash: previous, epoch: 2, revision: 0x100000003, body: '{"ä":1}' }
    expect(chainHash(link, sha256)).toBe(createHash('sha256').update(node).digest('hex'))
  })

  it('holds for what was hashed', () => {
    expect(hashHolds(message('{}'), sha256)).toBe(true)
  })

  it.each<[string, Partial<RevisionMessage>]>([
    ['its body', { body: '{"a":2}' }],
    ['its revision', { revision: 3 }],
    ['its epoch', { epoch: 2 }],
    ['its predecessor', { previousHash: 'f'.repeat(64) }],
    ['its hash', { hash: '0'.repeat(64) }],
  ])('does not hold once %s is another', (_what, mutation) => {
    const whole = message('{"a":1}', { revision: 2 })
    expect(hashHolds({ ...whole, ...mutation }, sha256)).toBe(false)
  })

  it('shows any single change anywhere in a chain', () => {
    const bodies = fc.array(fc.string({ minLength: 1 }), { minLength: 2, maxLength: 8 })
    fc.assert(
      fc.property(bodies, fc.nat(), fc.nat(), (texts, which, where) => {
        const chain = chainOf(texts)
        const at = which % texts.length
        const changed = flip(texts[at] ?? '', where)
        fc.pre(changed !== texts[at])
        const forged = chain.map((link, n) => (n === at ? { ...link, body: changed } : link))
        expect(chain.every((link) => hashHolds(link, sha256))).toBe(true)
        expect(forged.filter((link) => !hashHolds(link, sha256))).toHaveLength(1)
        // Hashed anew, it no longer is what the next one, or the head, points to.
        expect(chainOf(texts.with(at, changed)).at(-1)?.hash).not.toBe(chain.at(-1)?.hash)
      }),
    )
  })
})

function chainOf(texts: readonly string[]): RevisionMessage[] {
  const chain: RevisionMessage[] = []
  for (const [n, text] of texts.entries()) {
    const previousHash = chain.at(-1)?.hash ?? GENESIS_HASH
    chain.push(message(text, { revision: n + 1, previousHash }))
  }
  return chain
}

/** Another character at one place. */
function flip(text: string, where: number): string {
  const at = where % text.length
  return text.slice(0, at) + (text[at] === 'x' ? 'y' : 'x') + text.slice(at + 1)
}

describe('toHex', () => {
  it('writes two lower-case digits a byte', () => {
    expect(toHex(Uint8Array.of(0, 1, 171, 255))).toBe('0001abff')
  })
})
