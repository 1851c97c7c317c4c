import { type MasterKeys, publicKeyOf, signBytes, signingKey, verifyBytes } from '@signalbox/host'
import { decodeManifest, encodeManifest, err, type Manifest, type Result } from '@signalbox/model'
import { type SignedManifest } from './bus.ts'

/*
 * Whoever can write to the bus cannot make a snapshot: its manifest is signed with the key that is
 * derived from the fleet's master key, and each chunk has the hash that the manifest says.
 */

export type Sign = (bytes: Uint8Array) => Uint8Array
export type Trusts = (bytes: Uint8Array, signature: Uint8Array) => boolean

/** Before the text, so that no signature of something else is one of a manifest. */
const DOMAIN = 'signalbox snapshot manifest 1\n'

interface Fleet extends MasterKeys {
  readonly fleet: string
}

export function manifestSigner({ masterKey, fleet }: Fleet): Sign {
  const key = signingKey(masterKey, fleet, 'snapshot')
  return (bytes) => signBytes(bytes, key)
}

/** Trusts the fleet's key, and during a rotation the former ones. */
export function manifestTrust({ masterKey, previousMasterKeys = [], fleet }: Fleet): Trusts {
  const all = [masterKey, ...previousMasterKeys]
  const keys = all.map((key) => publicKeyOf(signingKey(key, fleet, 'snapshot')))
  return (bytes, signature) => keys.some((key) => verifyBytes(bytes, signature, key))
}

export function signManifest(manifest: Manifest, sign: Sign): SignedManifest {
  const text = encodeManifest(manifest)
  return { text, signature: Buffer.from(sign(signedBytes(text))).toString('base64url') }
}

/** The manifest that somebody whom `trusts` knows has signed; a sentence where it is none. */
export function openManifest(
  { text, signature }: SignedManifest,
  trusts: Trusts,
): Result<Manifest, string> {
  if (!trusts(signedBytes(text), Buffer.from(signature, 'base64url'))) {
    return err('it is not signed with a key of this fleet')
  }
  return decodeManifest(text)
}

function signedBytes(text: string): Uint8Array {
  return Buffer.from(DOMAIN + text, 'utf8')
}

/** The hashes that these name, whoever has signed them. */
export function chunksNamed(manifests: readonly (SignedManifest | null)[]): ReadonlySet<string> {
  const named = manifests.flatMap((one) => {
    const read = one && decodeManifest(one.text)
    return read?.ok ? read.value.chunks.map(({ hash }) => hash) : []
  })
  return new Set(named)
}
