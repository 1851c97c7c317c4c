import { createHash, generateKeyPairSync, sign, verify, type KeyObject } from 'node:crypto'
import { canonicalJson } from './canonical.ts'
import { chainHash } from './chain.ts'
import { ChainCheck } from './chain-check.ts'
import {
  type Checkpoint,
  openCheckpoint,
  originOf,
  parseNote,
  parseVerifierKey,
  signCheckpoint,
  verifierKey,
} from './checkpoint.ts'
import { GENESIS_HASH, type RevisionMessage } from './event.ts'

const sha256 = (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest())
const lineage = '00000000-0000-4000-8000-000000000000'
const origin = originOf('default', lineage)

interface Odd {
  readonly previousHash?: string
  readonly position?: number
  readonly body?: (text: string) => string
}

/** A log of these many revisions, one event each; `odd` bends one of them before it is hashed. */
function logOf(length: number, odd: Readonly<Record<number, Odd>> = {}): RevisionMessage[] {
  const log: RevisionMessage[] = []
  for (let revision = 1; revision <= length; revision++) {
    const {
      previousHash = log.at(-1)?.hash ?? GENESIS_HASH,
      position = revision,
      body,
    } = odd[revision] ?? {}
    const spec = { text: `spec ${revision}` }
    const text = canonicalJson({ lineage, epoch: 1, revision, events: [{ position, spec }] })
    const link = { previousHash, epoch: 1, revision, body: body ? body(text) : text }
    log.push({ lineage, ...link, hash: chainHash(link, sha256) })
  }
  return log
}

function check(log: readonly RevisionMessage[], checkpoints: readonly Checkpoint[] = []) {
  const chain = new ChainCheck(sha256, checkpoints)
  for (const message of log) if (!chain.next(message)) break
  return chain.end()
}

const problemsOf = (...given: Parameters<typeof check>) =>
  check(...given).problems.map(({ revision, message }) => `${revision}: ${message}`)

const checkpointAt = (log: readonly RevisionMessage[], revision: number): Checkpoint => {
  const { hash = GENESIS_HASH } = log[revision - 1] ?? {}
  return { origin, revision, epoch: 1, hash }
}

describe('a chain check', () => {
  it('finds nothing in a log that is whole, and says where it ends', () => {
    const log = logOf(5)
    const hash = log[4]?.hash
    expect(check(log, [checkpointAt(log, 3)])).toEqual({
      ok: true,
      revision: 5,
      hash,
      problems: [],
    })
    expect(check([])).toEqual({ ok: true, revision: 0, hash: GENESIS_HASH, problems: [] })
  })

  it('finds a row that was edited', () => {
    const log = logOf(4).map((message) => ({
      ...message,
      body: message.body.replace('spec 2', 'spec 9'),
    }))
    expect(problemsOf(log)).toEqual(['2: its bytes do not give its hash'])
  })

  it('finds a row that was edited and hashed anew', () => {
    const log = logOf(4)
    const forged = logOf(4, { 2: { body: (text) => text.replace('spec 2', 'spec 9') } })
    const [first, , third, fourth] = log
    const mixed = [first, forged[1], third, fourth].flatMap((message) => message ?? [])
    expect(problemsOf(mixed)).toEqual(['3: its previous hash is not that of the one before'])
  })

  it('finds a history that was written anew, by a checkpoint of before', () => {
    const before = logOf(4)
    const anew = logOf(4, { 2: { body: (text) => text.replace('spec 2', 'spec 9') } })
    expect(problemsOf(anew)).toEqual([])
    expect(problemsOf(anew, [checkpointAt(before, 3)])).toEqual([
      '3: a checkpoint says that the log was another one here',
    ])
  })

  it('finds a row that was removed, and rows that changed places', () => {
    const [a, b, c, d] = logOf(4)
    const rows = (...all: (RevisionMessage | undefined)[]) => all.flatMap((row) => row ?? [])
    expect(problemsOf(rows(a, c, d))).toContain('3: follows revision 1')
    expect(problemsOf(rows(a, c, b, d))).toContain('2: follows revision 3')
    expect(problemsOf(rows(b, c, d))).toContain('2: follows revision 0')
  })

  it('finds a tail that was cut off, by a checkpoint, and by nothing else', () => {
    const log = logOf(4)
    const cut = log.slice(0, 2)
    expect(problemsOf(cut)).toEqual([])
    expect(problemsOf(cut, [checkpointAt(log, 4)])).toEqual([
      '2: the log ends here, but a checkpoint says that it had 4 revisions',
    ])
  })

  it.each<[string, Odd, string]>([
    ['not canonical', { body: (text) => ` ${text}` }, 'its body is not canonical JSON'],
    ['not JSON', { body: () => 'x' }, 'its body is not JSON'],
    [
      'of half a surrogate',
      { body: (text) => text.replace('spec 2', '\\ud800') },
      'its body is not canonical JSON',
    ],
    [
      'another revision',
      { body: (text) => text.replace('"revision":2', '"revision":7') },
      'its body says that it is another revision',
    ],
    ['numbered wrong', { position: 9 }, 'its events are numbered 9 where 2 follows'],
  ])('finds a body that is %s', (_, odd, message) => {
    expect(problemsOf(logOf(2, { 2: odd }))).toEqual([`2: ${message}`])
  })

  it('finds a revision of another log, and one of an older epoch', () => {
    const [a, b] = logOf(2)
    const strange = { ...b, lineage: 'other' } as RevisionMessage
    expect(problemsOf([a, strange].flatMap((m) => m ?? []))).toContain('2: it is of another log')
    const other = { ...checkpointAt(logOf(2), 2), origin: originOf('default', 'other') }
    expect(problemsOf(logOf(2), [other])).toEqual([
      `2: a checkpoint of ${other.origin} is of another log`,
    ])
  })

  it('stops at a hundred problems', () => {
    const log = logOf(300).map((message) => ({ ...message, hash: GENESIS_HASH }))
    expect(check(log).problems).toHaveLength(100)
  })
})

describe('a checkpoint', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = (key: KeyObject) =>
    new Uint8Array(key.export({ format: 'der', type: 'spki' }).subarray(12))
  const signWith = (key: KeyObject) => ({
    sha256,
    publicKey: raw(publicKey),
    sign: (bytes: Uint8Array) => new Uint8Array(sign(null, bytes, key)),
  })
  const verifyWith = {
    sha256,
    publicKey: raw(publicKey),
    verify: (bytes: Uint8Array, signature: Uint8Array) => verify(null, bytes, publicKey, signature),
  }
  const checkpoint = checkpointAt(logOf(3), 3)
  const note = signCheckpoint(checkpoint, signWith(privateKey))

  it('is a signed note that opens with the key', () => {
    expect(note.split('\n').slice(0, 4)).toEqual([
      origin,
      '3',
      expect.stringMatching(/^[A-Za-z0-9+/]{43}=$/),
      'epoch 1',
    ])
    expect(openCheckpoint(note, verifyWith)).toEqual({ ok: true, value: checkpoint })
  })

  it('is refused where it was forged, by another key or by a changed line', () => {
    const other = generateKeyPairSync('ed25519').privateKey
    const refused = { ok: false, error: 'not signed with this key' }
    expect(openCheckpoint(signCheckpoint(checkpoint, signWith(other)), verifyWith)).toEqual(refused)
    expect(openCheckpoint(note.replace('\n3\n', '\n2\n'), verifyWith)).toEqual(refused)
    expect(openCheckpoint(note.replace('epoch 1', 'epoch 2'), verifyWith)).toEqual(refused)
  })

  it.each([
    '',
    'x',
    'a\n\n',
    `${origin}\nx\nAAAA\nepoch 1\n\n`,
    note.replace('epoch 1\n', 'epoch 1\nmore\n'),
  ])('is refused where it is none: %j', (text) => {
    expect(parseNote(text).ok).toBe(false)
  })

  it('is verified with a key that is written down', () => {
    const written = verifierKey(origin, raw(publicKey), sha256)
    expect(parseVerifierKey(written, sha256)).toEqual({ name: origin, publicKey: raw(publicKey) })
    expect(
      parseVerifierKey(
        written.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')),
        sha256,
      ),
    ).toBeUndefined()
    expect(parseVerifierKey('x+00000000+AAAA', sha256)).toBeUndefined()
    expect(parseVerifierKey('', sha256)).toBeUndefined()
  })
})
