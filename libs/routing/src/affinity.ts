import { type PolicySpec } from '@signalbox/model'
import { hashBytes } from './hash.ts'
import { hashes } from './pick-facts.ts'

/** Clients that have sessions name them in this header. */
const SESSION_HEADER = 'x-session-id'

/** What of a request a policy may hash, each hashed; undefined where it has no such thing. */
export interface Hashable {
  readonly header: (name: string) => number | undefined
  /** Of the client key's id. */
  readonly key: () => number | undefined
  /** Of the member `user` of the body. */
  readonly user: () => number | undefined
  /** Of the beginning of the prompt. */
  readonly prefix: () => number | undefined
}

/** Of a `user` with escapes, decoded: as its bytes would be hashed if it were written without. */
export function hashUser(user: string): number {
  const bytes = new TextEncoder().encode(`"${user}"`)
  return hashBytes(bytes, { start: 0, end: bytes.length })
}

/** What places a request under the policy, hashed; undefined where it has no such thing. */
export function affinityOf(policy: PolicySpec, of: Hashable): number | undefined {
  if (!hashes(policy)) return undefined
  const { strategy, hashOn } = policy
  if (strategy === 'PrefixAware') return of.prefix()
  if (!hashOn) return of.header(SESSION_HEADER) ?? of.user() ?? of.key()
  if (hashOn.header !== undefined) return of.header(hashOn.header)
  if (hashOn.key) return of.key()
  return hashOn.user ? of.user() : of.prefix()
}
