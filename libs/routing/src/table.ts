import {
  type BackendSpec,
  type Head,
  type Limits,
  type NetworkSpec,
  type PolicySpec,
  type Snapshot,
} from '@signalbox/model'
import { type Breaker } from './breaker.ts'
import { type CompiledCredential } from './credential.ts'
import { type CompiledKeys } from './keys.ts'
import { type Levels } from './locality.ts'
import { type ModelBreakers } from './model-breakers.ts'
import { type Ring } from './ring.ts'
import { type Survey } from './survey.ts'
import { type Turns } from './turns.ts'

/**
 * A snapshot compiled for look-ups inside one proxy. Immutable, but for what its tiers keep.
 */
export interface Table {
  readonly head: Head
  /** By every name that a client may ask for: route ids, aliases, models served without a route. */
  readonly routes: ReadonlyMap<string, CompiledRoute>
  /**
   * Dense: `backends[b.index] === b`. Disabled backends are here too (they drain), picked never.
   */
  readonly backends: readonly CompiledBackend[]
  readonly backendById: ReadonlyMap<string, CompiledBackend>
  /** What GET /v1/models lists, sorted by id. */
  readonly models: readonly ListedModel[]
  readonly keys: CompiledKeys
  /** What they were compiled from: the same collection is not compiled again. */
  readonly keysOf: Snapshot['keys']
  /** Whether a request without a good key is refused. */
  readonly blocking: boolean
  /** Largest request body that the fleet allows; null: each proxy's own limit. */
  readonly bodyBytesMax: number | null
  /** Of the whole fleet, and of each client address; null: there are none. */
  readonly limits: Limits | null
  readonly addressLimits: Limits | null
  /** Addresses and networks whose x-forwarded-for is believed. */
  readonly trustedProxies: readonly string[]
  /** Which addresses backends may have. */
  readonly network: NetworkSpec
}

export interface ListedModel {
  readonly id: string
  /** Who answers for it: a backend id, or `signalbox` where a route names several. */
  readonly ownedBy: string
  /** Seconds since the epoch at which the route or the backend was created. */
  readonly createdS: number
}

export interface CompiledBackend {
  readonly index: number
  readonly id: string
  readonly revision: number
  readonly spec: BackendSpec
  /** Its own or its secret's, as it was when the spec compiled; null: it has none. */
  readonly credential: CompiledCredential | null
  /** Requests in flight that it can have: by its limits, which lie further away in memory. */
  readonly room: number
  /** A minute, of the whole fleet; null: there are none. */
  readonly limits: Limits | null
}

export interface CompiledRoute {
  /** The public name: the route's id, or the model's name where no route names it. */
  readonly id: string
  readonly implicit: boolean
  readonly tiers: readonly CompiledTier[]
  /** Ids of the routes to go on with, in order. */
  readonly fallbacks: readonly string[]
  readonly policyId: string
  readonly policy: PolicySpec
}

export interface CompiledTier {
  /** Of all groups, in their order. */
  readonly targets: readonly CompiledTarget[]
  readonly groups: readonly CompiledGroup[]
  /** Where round robin stands. */
  readonly cursor: { next: number }
  readonly state: TierState
}

/**
 * What strategies keep of a tier, made when one first needs it and lost with the table: with the
 * cursor, the one mutable thing of a table.
 */
export interface TierState extends GroupState {
  ring?: Ring
  survey?: Survey
  levels?: Levels
}

export interface GroupState {
  turns?: Turns
  lots?: Float64Array
}

/** What one target of the route names: one backend, or all that have its labels. */
export interface CompiledGroup {
  /** Among the groups of the tier. */
  readonly weight: number
  readonly targets: readonly CompiledTarget[]
  readonly state: GroupState
}

export interface CompiledTarget {
  readonly backend: CompiledBackend
  /** The name that the backend knows the model by. */
  readonly model: string
  /** Its part of the group's weight. At 0 it is never picked: it drains. */
  readonly weight: number
  /** Among the targets of its group: the backend's. */
  readonly ownWeight: number
}

/** Live facts of one backend inside one proxy. Survives table swaps; keyed by backend id. */
export interface LiveBackend {
  readonly id: string
  inFlight: number
  /** Monotonic ms until which its limits a minute are used up; absent: it has none. */
  spentUntilMs?: number
  /** False once a probe says `down`; `unknown` and `warming_up`: see eligible(). */
  eligible: boolean
  /** What requests have found out; where absent, nothing. */
  breaker?: Breaker | undefined
  /** The same of each of its models that fails. */
  models?: ModelBreakers | undefined
  /** Peak EWMA of time to first byte, ms; meaningless while `samples` is 0. */
  ewmaMs: number
  ewmaAtMs: number
  samples: number
}
