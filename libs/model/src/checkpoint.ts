import { fromHex, type Sha256, toHex } from './chain.ts'
import { err, ok, type Result } from './result.ts'

/*
 * A checkpoint is the signed word of the control plane that its log had so many revisions and
 * ended with this hash. Kept somewhere else, it makes a tail that was cut off, or a history that
 * was written anew, show. The text is a C2SP signed note with the body of a tlog-checkpoint:
 * origin, size, root in base64, then our epoch as an extension line. The root is that of the hash
 * chain, not of a Merkle tree.
 */

const utf8 = new TextEncoder()
const ED25519 = 1
const KEY_HASH_BYTES = 4
const DASH = '—'

export interface Checkpoint {
  /** `signalbox/<fleet>/<lineage>`; also the name of the key. */
  readonly origin: string
  readonly revision: number
  readonly epoch: number
  /** Lower-case hex, as in the log. */
  readonly hash: string
}

export interface SignedNote {
  readonly checkpoint: Checkpoint
  /** What was signed, to the byte. */
  readonly text: string
  readonly signatures: readonly { readonly name: string; readonly bytes: Uint8Array }[]
}

export type Sign = (bytes: Uint8Array) => Uint8Array
export type Verify = (bytes: Uint8Array, signature: Uint8Array, publicKey: Uint8Array) => boolean

export function originOf(fleet: string, lineage: string): string {
  return `signalbox/${fleet}/${lineage}`
}

/** The signed note of a log's end. */
export function signCheckpoint(
  { origin, revision, epoch, hash }: Checkpoint,
  { publicKey, sign, sha256 }: { publicKey: Uint8Array; sign: Sign; sha256: Sha256 },
): string {
  const text = `${origin}\n${revision}\n${toBase64(fromHex(hash))}\nepoch ${epoch}\n`
  const signature = concat(keyHash(origin, publicKey, sha256), sign(utf8.encode(text)))
  return `${text}\n${DASH} ${origin} ${toBase64(signature)}\n`
}

/** How the public key is written down: `name+hash+key`, as C2SP's signed notes have it. */
export function verifierKey(origin: string, publicKey: Uint8Array, sha256: Sha256): string {
  const key = toBase64(concat(Uint8Array.of(ED25519), publicKey))
  return `${origin}+${toHex(keyHash(origin, publicKey, sha256))}+${key}`
}

/** Reads verifierKey()'s text; undefined where it is none, or not of an Ed25519 key. */
export function parseVerifierKey(
  text: string,
  sha256: Sha256,
): { readonly name: string; readonly publicKey: Uint8Array } | undefined {
  const match = /^(\S+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(text.trim())
  const [, name = '', hash, key = ''] = match ?? []
  const bytes = fromBase64(key)
  if (bytes?.[0] !== ED25519 || bytes.length !== 1 + 32) return undefined
  const publicKey = bytes.subarray(1)
  return toHex(keyHash(name, publicKey, sha256)) === hash ? { name, publicKey } : undefined
}

export function parseNote(note: string): Result<SignedNote, string> {
  const end = note.indexOf('\n\n')
  if (end < 0) return err('no signature')
  const text = note.slice(0, end + 1)
  const [origin = '', size = '', root = '', extension = '', ...rest] = text.split('\n')
  const epoch = /^epoch (\d{1,15})$/.exec(extension)?.[1]
  const hash = fromBase64(root)
  const isRevision = /^\d{1,15}$/.test(size)
  if (origin === '' || !isRevision || hash?.length !== 32 || epoch === undefined) {
    return err('not a checkpoint of a Signalbox log')
  }
  if (rest.length > 1) return err('lines that are not known')
  const signatures = note
    .slice(end + 2)
    .split('\n')
    .flatMap((line) => {
      const [dash, name = '', base64 = ''] = line.split(' ')
      const bytes = fromBase64(base64)
      return dash === DASH && bytes ? [{ name, bytes }] : []
    })
  const checkpoint = { origin, revision: Number(size), epoch: Number(epoch), hash: toHex(hash) }
  return ok({ checkpoint, text, signatures })
}

/** The checkpoint, where the holder of the key has signed it. */
export function openCheckpoint(
  note: string,
  { publicKey, verify, sha256 }: { publicKey: Uint8Array; verify: Verify; sha256: Sha256 },
): Result<Checkpoint, string> {
  const parsed = parseNote(note)
  if (!parsed.ok) return parsed
  const { checkpoint, text, signatures } = parsed.value
  const { origin } = checkpoint
  const wanted = toHex(keyHash(origin, publicKey, sha256))
  const signed = signatures.some(({ name, bytes }) => {
    const [hash, signature] = [bytes.subarray(0, KEY_HASH_BYTES), bytes.subarray(KEY_HASH_BYTES)]
    const known = name === origin && toHex(hash) === wanted
    return known && verify(utf8.encode(text), signature, publicKey)
  })
  return signed ? ok(checkpoint) : err('not signed with this key')
}

/** Whether one of the note's signatures says that it is this key's. */
export function isClaimedBy(
  { checkpoint: { origin }, signatures }: SignedNote,
  publicKey: Uint8Array,
  sha256: Sha256,
): boolean {
  const wanted = toHex(keyHash(origin, publicKey, sha256))
  return signatures.some(
    ({ name, bytes }) => name === origin && toHex(bytes.subarray(0, KEY_HASH_BYTES)) === wanted,
  )
}

function keyHash(name: string, publicKey: Uint8Array, sha256: Sha256): Uint8Array {
  const bytes = concat(utf8.encode(`${name}\n`), Uint8Array.of(ED25519), publicKey)
  return sha256(bytes).subarray(0, KEY_HASH_BYTES)
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}

function fromBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
  } catch {
    return undefined
  }
}
