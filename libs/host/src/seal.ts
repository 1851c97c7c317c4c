import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
} from 'node:crypto'

const VERSION = 1
const NONCE_BYTES = 12
const TAG_BYTES = 16
export const MASTER_KEY_BYTES = 32

/** Derived from the master key, one per purpose, so that no key serves two uses (RFC 5869). */
function derive(masterKey: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', masterKey, new Uint8Array(0), `signalbox/${purpose}`, 32))
}

/**
 * AES-256-GCM: version | nonce | tag | ciphertext, base64. `context` (fleet, resource) is
 * authenticated: a sealed value copied to another place does not open there.
 */
export function seal(plaintext: string, masterKey: Uint8Array, context: string): string {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', derive(masterKey, 'seal'), nonce)
  cipher.setAAD(Buffer.from(context, 'utf8'))
  const body = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()])
  return Buffer.concat([Buffer.of(VERSION), nonce, cipher.getAuthTag(), body]).toString('base64')
}

/**
 * The plaintext; undefined where the key, the context or a byte is not the one it was sealed with.
 */
export function unseal(sealed: string, masterKey: Uint8Array, context: string): string | undefined {
  const bytes = Buffer.from(sealed, 'base64')
  if (bytes.length < 1 + NONCE_BYTES + TAG_BYTES || bytes[0] !== VERSION) return undefined
  const nonce = bytes.subarray(1, 1 + NONCE_BYTES)
  const tag = bytes.subarray(1 + NONCE_BYTES, 1 + NONCE_BYTES + TAG_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', derive(masterKey, 'seal'), nonce)
  decipher.setAAD(Buffer.from(context, 'utf8'))
  decipher.setAuthTag(tag)
  try {
    const body = bytes.subarray(1 + NONCE_BYTES + TAG_BYTES)
    return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8')
  } catch {
    return undefined
  }
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
