import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { type Kms, kmsOf, wrappingKeyOf } from './kms.ts'
import { type MasterKeys, type Opened, openUnderMasterKey, problemOf } from './seal.ts'

/*
 * Envelope encryption. Each value is sealed under a random key of its own, its data key, which is
 * used for nothing else; the data key is wrapped by a master key, and the two are kept apart. In
 * the log, which nothing is taken out of, stands `dk1:ID:TEXT`, which names the data key. Wrapped
 * data keys stand beside the log. Whoever may open the value is given both: `dk1:ID:TEXT:WRAPPED`.
 * Once the data key is deleted, the text in the log is noise, to who has the master key as well.
 */

const FORM = 'dk1'
const CIPHER = 'aes-256-gcm'
const ID_BYTES = 16
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16

export interface Envelope {
  /** `dk1:ID:TEXT`, without the data key. */
  readonly sealed: string
  readonly dataKey: { readonly id: string; readonly wrapped: string }
}

/** `context` (fleet, resource, id) is authenticated, and so is the id of the data key. */
export function sealEnvelope(plaintext: string, kms: Kms, context: string): Envelope {
  const id = randomBytes(ID_BYTES).toString('base64url')
  const key = randomBytes(KEY_BYTES)
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, key, nonce)
  cipher.setAAD(Buffer.from(`${FORM}:${id}:${context}`, 'utf8'))
  const body = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()])
  const text = Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64')
  const wrapped = kms.wrap(key, wrapContext(context, id))
  key.fill(0)
  return { sealed: `${FORM}:${id}:${text}`, dataKey: { id, wrapped } }
}

/** The same data key under the master key of now; the problem where none here unwraps it. */
export function rewrap(
  { id, wrapped }: Envelope['dataKey'],
  kms: Kms,
  context: string,
): { readonly ok: true; readonly wrapped: string } | Extract<Opened, { ok: false }> {
  const unwrapped = kms.unwrap(wrapped, wrapContext(context, id))
  if (!unwrapped.ok) return unwrapped
  return { ok: true, wrapped: kms.wrap(unwrapped.dataKey, wrapContext(context, id)) }
}

/** Opens sealed text of any form: an envelope with its data key, or what is under a master key. */
export function openSealed(sealed: string, keys: MasterKeys, context: string): Opened {
  const [form, id = '', text = '', wrapped] = sealed.split(':')
  if (form !== FORM) return openUnderMasterKey(sealed, keys, context)
  if (wrapped === undefined) return { ok: false, keyId: null, problem: GONE }
  const kms = kmsOf(keys)
  const unwrapped = kms.unwrap(wrapped, wrapContext(context, id))
  if (!unwrapped.ok) return unwrapped
  const { dataKey, keyId } = unwrapped
  const opened = open(Buffer.from(text, 'base64'), dataKey, `${FORM}:${id}:${context}`)
  if (opened !== undefined) return { ok: true, text: opened, keyId }
  return { ok: false, keyId: wrappingKeyOf(wrapped), problem: problemOf(keyId, kms.keyIds) }
}

const GONE = 'has no data key any more: it was deleted or replaced'

function open(bytes: Buffer, key: Uint8Array, authenticated: string): string | undefined {
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined
  const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES))
  decipher.setAAD(Buffer.from(authenticated, 'utf8'))
  decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
  try {
    const body = bytes.subarray(NONCE_BYTES + TAG_BYTES)
    return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8')
  } catch {
    return undefined
  }
}

function wrapContext(context: string, id: string): string {
  return `${context}#${id}`
}
