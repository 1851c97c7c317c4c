import {
  type FollowerState,
  type Head,
  type RevisionMessage,
  type Snapshot,
} from '@signalbox/model'
import { type FetchOutcome } from './bus.ts'
import { type Changed } from './follower-fold.ts'

/** Three beacons missed. */
export const SILENCE_MS = 6_000

/** A chain that is built beside the one that serves. */
export interface Resync {
  readonly target: Head
  /** null until a snapshot was asked for. */
  readonly base: Snapshot | null
  readonly fromGenesis: boolean
}

export interface Follower {
  readonly snapshot: Snapshot | null
  /** What is durable on disk: the only thing that may be acked. */
  readonly durable: Head | null
  readonly beacon: Head | null
  readonly heardAtMs: number
  readonly nowMs: number
  /** The newest revision that somebody spoke of and that is worth asking for. */
  readonly heard: number
  /** What `heard` was when the last fetch was planned. */
  readonly asked: number
  /** Whether to look what the stream has, though nobody spoke of more. */
  readonly probing: boolean
  readonly request: 'idle' | 'unstarted' | 'restore' | 'fetch' | 'snapshot' | 'pause'
  readonly resync: Resync | null
  /** The stream holds another successor of our head. Waits for a beacon to confirm it. */
  readonly forked: boolean
  /** Why nothing newer can be applied. */
  readonly frozen: string | null
  readonly draining: boolean
}

export type Input =
  | { readonly kind: 'start'; readonly atMs: number }
  | { readonly kind: 'restored'; readonly snapshot: Snapshot | null }
  | { readonly kind: 'connected' }
  | { readonly kind: 'revision'; readonly message: RevisionMessage }
  | { readonly kind: 'beacon'; readonly head: Head; readonly atMs: number }
  | { readonly kind: 'fetched'; readonly outcome: FetchOutcome }
  | { readonly kind: 'snapshot'; readonly snapshot: Snapshot | null }
  /** A snapshot that nobody was asked for: from a folder. */
  | { readonly kind: 'offered'; readonly snapshot: Snapshot }
  | { readonly kind: 'failed' }
  | { readonly kind: 'resume' }
  | { readonly kind: 'persisted'; readonly head: Head }
  | { readonly kind: 'tick'; readonly atMs: number }
  | { readonly kind: 'drain' }

export type Effect =
  | { readonly kind: 'restore' }
  | { readonly kind: 'fetch'; readonly from: number; readonly to: number }
  | { readonly kind: 'take-snapshot' }
  /** Wait (longer each time), then say `resume`. */
  | { readonly kind: 'pause' }
  /** Serve this from now on. */
  | { readonly kind: 'adopt'; readonly snapshot: Snapshot; readonly changed: Changed }
  /** Make this durable, then say `persisted`. A newer one replaces one that still waits. */
  | { readonly kind: 'persist'; readonly snapshot: Snapshot; readonly changed: Changed }

export interface Step {
  readonly state: Follower
  readonly effects: readonly Effect[]
}

export const UNSTARTED: Follower = {
  snapshot: null,
  durable: null,
  beacon: null,
  heardAtMs: 0,
  nowMs: 0,
  heard: 0,
  asked: 0,
  probing: false,
  request: 'unstarted',
  resync: null,
  forked: false,
  frozen: null,
  draining: false,
}

export function stateName(state: Follower): FollowerState {
  if (state.draining) return 'draining'
  if (state.request === 'unstarted') return 'cold'
  if (state.frozen !== null) return 'frozen'
  if (state.request === 'restore') return 'restoring'
  if (!state.snapshot || state.resync) return 'syncing'
  if (state.nowMs - state.heardAtMs >= SILENCE_MS) return 'degraded'
  return state.beacon && !state.forked && revisionsBehind(state) === 0 ? 'live' : 'catching-up'
}

/** How many revisions the log is known to be ahead of what is served here. */
export function revisionsBehind(state: Follower): number {
  return Math.max(0, (state.beacon?.revision ?? 0) - (state.snapshot?.head.revision ?? 0))
}

export function pause(state: Follower): Step {
  return { state: { ...state, request: 'pause' }, effects: [{ kind: 'pause' }] }
}

export function quiet(state: Follower): Step {
  return { state, effects: [] }
}

export function adopt(state: Follower, snapshot: Snapshot, changed: Changed): Step {
  return {
    state: { ...state, snapshot },
    effects: [
      { kind: 'adopt', snapshot, changed },
      { kind: 'persist', snapshot, changed },
    ],
  }
}
