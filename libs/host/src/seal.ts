import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
} from 'node:crypto'

/** 1 named no key; 2 names it: version | key id | nonce | tag | ciphertext. */
const NAMELESS = 1
const VERSION = 2
const KEY_ID_BYTES = 4
const NONCE_BYTES = 12
const TAG_BYTES = 16
export const MASTER_KEY_BYTES = 32

/** The key that seals, and others that open: during a rotation there are both. */
export interface MasterKeys {
  readonly masterKey: Uint8Array
  /** Open only. */
  readonly previousMasterKeys?: readonly Uint8Array[]
}

/** Derived from the master key, one per purpose, so that no key serves two uses (RFC 5869). */
export function derive(masterKey: Uint8Array, purpose: string, bytes = 32): Buffer {
  const info = `signalbox/${purpose}`
  return Buffer.from(hkdfSync('sha256', masterKey, new Uint8Array(0), info, bytes))
}

/** Eight hex digits that name a master key and tell nothing about it. */
export function keyIdOf(masterKey: Uint8Array): string {
  return derive(masterKey, 'key-id', KEY_ID_BYTES).toString('hex')
}

/**
 * AES-256-GCM: version | key id | nonce | tag | ciphertext, base64. `context` (fleet, resource) is
 * authenticated, and so is the head: a sealed value copied to another place does not open there.
 */
export function seal(plaintext: string, masterKey: Uint8Array, context: string): string {
  const nonce = randomBytes(NONCE_BYTES)
  const head = Buffer.concat([Buffer.of(VERSION), Buffer.from(keyIdOf(masterKey), 'hex')])
  const cipher = createCipheriv('aes-256-gcm', derive(masterKey, 'seal'), nonce)
  cipher.setAAD(Buffer.concat([head, Buffer.from(context, 'utf8')]))
  const body = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()])
  return Buffer.concat([head, nonce, cipher.getAuthTag(), body]).toString('base64')
}

/**
 * The plaintext; undefined where the key, the context or a byte is not the one it was sealed with.
 */
export function unseal(sealed: string, masterKey: Uint8Array, context: string): string | undefined {
  const parts = partsOf(sealed)
  if (!parts || (parts.keyId !== null && parts.keyId !== keyIdOf(masterKey))) return undefined
  const { head, nonce, tag, body } = parts
  const decipher = createDecipheriv('aes-256-gcm', derive(masterKey, 'seal'), nonce)
  decipher.setAAD(Buffer.concat([head, Buffer.from(context, 'utf8')]))
  decipher.setAuthTag(tag)
  try {
    return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8')
  } catch {
    return undefined
  }
}

interface Parts {
  /** What is authenticated beside the context: nothing in the older form. */
  readonly head: Buffer
  readonly keyId: string | null
  readonly nonce: Buffer
  readonly tag: Buffer
  readonly body: Buffer
}

function partsOf(sealed: string): Parts | undefined {
  const bytes = Buffer.from(sealed, 'base64')
  const named = bytes[0] === VERSION
  if (!named && bytes[0] !== NAMELESS) return undefined
  const nonceAt = named ? 1 + KEY_ID_BYTES : 1
  const tagAt = nonceAt + NONCE_BYTES
  const bodyAt = tagAt + TAG_BYTES
  if (bytes.length < bodyAt) return undefined
  return {
    head: named ? bytes.subarray(0, nonceAt) : Buffer.alloc(0),
    keyId: named ? bytes.subarray(1, nonceAt).toString('hex') : null,
    nonce: bytes.subarray(nonceAt, tagAt),
    tag: bytes.subarray(tagAt, bodyAt),
    body: bytes.subarray(bodyAt),
  }
}

/** Which key the text is sealed under; null where it names none: older, or not sealed text. */
export function keyIdIn(sealed: string): string | null {
  return partsOf(sealed)?.keyId ?? null
}

export type Opened =
  | { readonly ok: true; readonly text: string; readonly keyId: string }
  /** `problem` names keys by their ids, and is safe for logs. */
  | { readonly ok: false; readonly problem: string; readonly keyId: string | null }

/** Opens with the key that the sealed text names; the older form names none, and all are tried. */
export function openUnderMasterKey(sealed: string, keys: MasterKeys, context: string): Opened {
  const all = [keys.masterKey, ...(keys.previousMasterKeys ?? [])]
  const parts = partsOf(sealed)
  if (!parts) return { ok: false, keyId: null, problem: 'is not sealed text' }
  for (const key of all) {
    const text = unseal(sealed, key, context)
    if (text !== undefined) return { ok: true, text, keyId: keyIdOf(key) }
  }
  const { keyId } = parts
  return { ok: false, keyId, problem: problemOf(keyId, all.map(keyIdOf)) }
}

/** Why none of the keys here opens what is under another, or under one of them. */
export function problemOf(keyId: string | null, here: readonly string[]): string {
  if (keyId !== null && here.includes(keyId)) return 'is damaged, or was sealed for another place'
  const under = keyId === null ? 'another master key' : `master key ${keyId}`
  return `is sealed under ${under}; here is ${here.join(', ')}`
}

/**
 * Twelve hex digits that recognise a secret and tell nothing about it: HMAC under a derived key.
 */
export function fingerprint(plaintext: string, masterKey: Uint8Array): string {
  const key = derive(masterKey, 'fingerprint')
  return createHmac('sha256', key).update(plaintext, 'utf8').digest('hex').slice(0, 12)
}

export function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}
