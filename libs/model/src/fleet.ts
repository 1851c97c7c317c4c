import { type ReleaseCounts } from './release-counts.ts'

/** States of a follower (libs/bus/src/follower.ts draws the machine). */
export const FOLLOWER_STATES = [
  'cold',
  'restoring',
  'syncing',
  'live',
  'catching-up',
  'degraded',
  'frozen',
  'draining',
] as const
export type FollowerState = (typeof FOLLOWER_STATES)[number]

/** One resource that a member could not compile: it keeps its last good version. */
export interface Nack {
  readonly revision: number
  readonly resource: string
  readonly id: string
  readonly code: string
  readonly message: string
}

export interface Load {
  readonly requestsTotal: number
  readonly inFlight: number
  readonly rssBytes: number
  /** While a release is open: how requests ended on this side of it. */
  readonly release?: ReleaseCounts
}

/**
 * What a proxy or probe says of itself: every 10 s, and at once when it applies, refuses or
 * changes state.
 */
export interface Heartbeat {
  readonly id: string
  readonly role: 'proxy' | 'probe'
  readonly labels: Readonly<Record<string, string>>
  readonly version: string
  readonly lineage: string
  readonly epoch: number
  /** Last revision whose bytes are durable here. */
  readonly received: number
  /** Last revision that routes requests here: below `received` where a release is not for it. */
  readonly active: number
  readonly state: FollowerState
  readonly nacks: readonly Nack[]
  readonly load: Load | null
  readonly sentAtMs: number
}
