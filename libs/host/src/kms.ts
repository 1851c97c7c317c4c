import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { derive, keyIdOf, type MasterKeys, problemOf } from './seal.ts'

const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16

export type Unwrapped =
  | { readonly ok: true; readonly dataKey: Uint8Array; readonly keyId: string }
  /** `problem` names keys by their ids, and is safe for logs. */
  | { readonly ok: false; readonly problem: string; readonly keyId: string | null }

/**
 * What wraps data keys: the seam behind which a key management service stands. Wrapped text begins
 * with the id of the key that wrapped it, and a dot; all else in it is the implementation's own.
 *
 * It answers at once, without a network: a proxy opens its credentials while it swaps tables, and
 * starts from its disk when everything else is gone. So a service that is far away is asked when
 * the process starts, for the keys that wrap, and not for each of them that is wrapped.
 */
export interface Kms {
  /** Of the key that wraps now: letters, digits, `_` and `-`. */
  readonly keyId: string
  /** All that unwrap, the one of now first. */
  readonly keyIds: readonly string[]
  /** `context` is authenticated: it does not unwrap for another one. */
  wrap(dataKey: Uint8Array, context: string): string
  unwrap(wrapped: string, context: string): Unwrapped
}

/** The one implementation there is: master keys from the environment or a file. */
export function kmsOf({ masterKey, previousMasterKeys = [] }: MasterKeys): Kms {
  const keys = new Map([masterKey, ...previousMasterKeys].map((key) => [keyIdOf(key), key]))
  const keyIds = [...keys.keys()]
  const keyId = keyIdOf(masterKey)
  return {
    keyId,
    keyIds,
    wrap: (dataKey, context) => wrapUnder(masterKey, { keyId, dataKey, context }),
    unwrap: (wrapped, context) => {
      const named = wrappingKeyOf(wrapped)
      const key = named === null ? undefined : keys.get(named)
      const dataKey = key && unwrapUnder(key, wrapped, context)
      if (dataKey && named !== null) return { ok: true, dataKey, keyId: named }
      return { ok: false, keyId: named, problem: problemOf(named, keyIds) }
    },
  }
}

/** The id of the key that wrapped it; null where the text is none. */
export function wrappingKeyOf(wrapped: string): string | null {
  return /^([A-Za-z0-9_-]{1,64})\.[A-Za-z0-9+/=]+$/.exec(wrapped)?.[1] ?? null
}

interface Wrapping {
  readonly keyId: string
  readonly dataKey: Uint8Array
  readonly context: string
}

function wrapUnder(masterKey: Uint8Array, { keyId, dataKey, context }: Wrapping): string {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, derive(masterKey, 'wrap'), nonce)
  cipher.setAAD(Buffer.from(`${keyId}.${context}`, 'utf8'))
  const body = Buffer.concat([cipher.update(dataKey), cipher.final()])
  return `${keyId}.${Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64')}`
}

function unwrapUnder(key: Uint8Array, wrapped: string, context: string): Uint8Array | undefined {
  const dot = wrapped.indexOf('.')
  const bytes = Buffer.from(wrapped.slice(dot + 1), 'base64')
  if (bytes.length <= NONCE_BYTES + TAG_BYTES) return undefined
  const decipher = createDecipheriv(CIPHER, derive(key, 'wrap'), bytes.subarray(0, NONCE_BYTES))
  decipher.setAAD(Buffer.from(`${wrapped.slice(0, dot)}.${context}`, 'utf8'))
  decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
  try {
    const body = bytes.subarray(NONCE_BYTES + TAG_BYTES)
    return Buffer.concat([decipher.update(body), decipher.final()])
  } catch {
    return undefined
  }
}
