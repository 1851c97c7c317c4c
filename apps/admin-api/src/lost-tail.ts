import { type Head, type Heartbeat } from '@signalbox/model'

/*
 * When is a member's word enough to say that the log lost its tail? A heartbeat is signed by
 * nobody: whoever may say one can make a number up, and each new epoch costs every follower a
 * resync. So one word alone begins nothing.
 *
 *    nothing --a member is ahead--> claimed --it says so again, CLAIM_MS later--> believed
 *                                      |                or: a second member is ahead
 *                                      +--the same member is ahead no more--> nothing
 *
 * What is believed is the least that the believed members have in common, and not before PAUSE_MS
 * have gone since the last epoch that members began: however many lie, an epoch an interval is all
 * they get. A failover that Postgres itself tells of, what the stream holds, and an operator's word
 * (POST /epochs) are other evidence and wait for none of this.
 */

/** Longer than a message that was under way, shorter than two heartbeats (10 s each). */
export const CLAIM_MS = 5_000
/** Between two epochs that were begun on the word of members. */
export const PAUSE_MS = 600_000
/** Members that are remembered as ahead; more would add nothing. */
const CLAIMS_MAX = 64

interface Claim {
  readonly revision: number
  /** When this member was first ahead, without a break since. */
  readonly firstMs: number
  readonly lastMs: number
}

export interface Claims {
  readonly lineage: string
  readonly epoch: number
  /** By member. */
  readonly byId: ReadonlyMap<string, Claim>
  /** When members last began an epoch. */
  readonly begunMs: number
}

export const NO_CLAIMS: Claims = { lineage: '', epoch: 0, byId: new Map(), begunMs: -Infinity }

type Heard = Pick<Heartbeat, 'id' | 'lineage' | 'epoch' | 'received'>

/** The claims after one more heartbeat; the same object where it changes nothing. */
export function afterHeartbeat(
  claims: Claims,
  heard: Heard,
  { head, nowMs }: { readonly head: Head; readonly nowMs: number },
): Claims {
  const { id, lineage, epoch, received: revision } = heard
  if (!Number.isSafeInteger(revision)) return claims
  if (lineage !== head.lineage || epoch !== head.epoch) return without(claims, id)
  if (revision <= head.revision) return without(claims, id)
  const sameLog = claims.lineage === lineage && claims.epoch === epoch
  const byId = new Map(sameLog ? claims.byId : [])
  const before = byId.get(id)
  if (!before && byId.size >= CLAIMS_MAX) return claims
  byId.set(id, { revision, firstMs: before?.firstMs ?? nowMs, lastMs: nowMs })
  return { ...claims, lineage, epoch, byId }
}

/** What is believed to have been committed behind the log's end; null: nothing. */
export function lostTail(claims: Claims, head: Head, nowMs: number): Head | null {
  const { lineage, epoch, byId, begunMs } = claims
  if (lineage !== head.lineage || epoch !== head.epoch || nowMs - begunMs < PAUSE_MS) return null
  const ahead = [...byId.values()].filter(({ revision }) => revision > head.revision)
  const repeated = ahead.filter(({ firstMs, lastMs }) => lastMs - firstMs >= CLAIM_MS)
  const believed = ahead.length > 1 ? ahead : repeated
  if (believed.length === 0) return null
  const revision = Math.min(...believed.map((claim) => claim.revision))
  return { lineage, epoch, revision, hash: '' }
}

/** After an epoch began on their word. */
export function afterEpoch(nowMs: number): Claims {
  return { ...NO_CLAIMS, begunMs: nowMs }
}

function without(claims: Claims, id: string): Claims {
  if (!claims.byId.has(id)) return claims
  const byId = new Map(claims.byId)
  byId.delete(id)
  return { ...claims, byId }
}
