import {
  createPrivateKey,
  createPublicKey,
  hkdfSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'

const SEED_BYTES = 32
/** An Ed25519 private key in PKCS #8 is this and the seed (RFC 8410, section 7). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
/** A public key in SPKI is this and the key (RFC 8410, section 4). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

/**
 * The Ed25519 key with which a fleet's checkpoints, or its snapshots, are signed. Derived from the
 * master key (RFC 5869), so that every instance of the admin API has the same one and nothing more
 * is to be kept; one a purpose, so that no key serves two uses.
 */
export function signingKey(
  masterKey: Uint8Array,
  fleet: string,
  purpose: 'checkpoint' | 'snapshot' = 'checkpoint',
): KeyObject {
  const info = `signalbox/${purpose}/${fleet}`
  const seed = Buffer.from(hkdfSync('sha256', masterKey, new Uint8Array(0), info, SEED_BYTES))
  return createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, seed]),
    format: 'der',
    type: 'pkcs8',
  })
}

/** The 32 bytes of the public half. */
export function publicKeyOf(key: KeyObject): Uint8Array {
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
  return new Uint8Array(spki.subarray(SPKI_PREFIX.length))
}

export function signBytes(bytes: Uint8Array, key: KeyObject): Uint8Array {
  return new Uint8Array(sign(null, bytes, key))
}

/** Whether the signature is one of these bytes under this key; false for a key that is none. */
export function verifyBytes(
  bytes: Uint8Array,
  signature: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  try {
    const der = Buffer.concat([SPKI_PREFIX, publicKey])
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' })
    return verify(null, bytes, key, signature)
  } catch {
    return false
  }
}
