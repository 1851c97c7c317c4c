import { type FollowingState } from '@signalbox/bus'
import { type MetricsPart } from '@signalbox/host'
import {
  type LeaseReport,
  type Load,
  type Nack,
  type Spending,
  type Status,
} from '@signalbox/model'
import { type BackendHealth } from '../answers.ts'
import { type Lines } from '../waiting-lines.ts'
import { type Delta } from './delta.ts'

/*
 * What the parent and its workers say to each other over the IPC channel. Messages arrive in order,
 * and a connection travels with one of them; both sides count on that.
 */

/** How the proxy as a whole follows, and how many of its workers serve. */
export interface ProxyState {
  readonly following: FollowingState
  readonly workers: {
    readonly wanted: number
    /** Take connections. */
    readonly serving: number
    readonly pids: readonly number[]
  }
  /** No other proxy can be heard. */
  readonly cut: boolean
}

/** What one worker asks all workers for. */
export interface Collected {
  readonly metrics: MetricsPart
  readonly backends: BackendHealth
}
export type What = keyof Collected
/** What it is answered: the same of the whole proxy. */
export interface Answered {
  readonly metrics: string
  readonly backends: BackendHealth
}

/** `serial` counts what the parent had to pass on; a revision may come again with another log. */
export type Config =
  | { readonly kind: 'snapshot'; readonly serial: number; readonly text: string }
  | { readonly kind: 'delta'; readonly serial: number; readonly delta: Delta }

export type ToWorker =
  | {
      readonly to: 'welcome'
      readonly config: Config | null
      readonly statuses: readonly Status[]
      readonly state: ProxyState
    }
  | { readonly to: 'config'; readonly config: Config }
  | { readonly to: 'statuses'; readonly statuses: readonly Status[] }
  | { readonly to: 'state'; readonly state: ProxyState }
  | { readonly to: 'leases'; readonly report: LeaseReport }
  | { readonly to: 'spending'; readonly spending: Spending }
  /** Comes with the connection. */
  | { readonly to: 'connection'; readonly id: number }
  | { readonly to: 'collect'; readonly id: number; readonly what: What }
  | { readonly to: 'answer'; readonly id: number; readonly value: Answered[What] }
  /** No connection comes any more: what is answered from now on ends its own. */
  | { readonly to: 'leave' }
  /** Finish what is under way, by the deadline, and exit. */
  | { readonly to: 'end' }

export type FromWorker =
  | { readonly from: 'hello' }
  /** It serves, what it was welcomed with if that was something. */
  | { readonly from: 'up' }
  /** This serial routes its requests. */
  | { readonly from: 'serving'; readonly serial: number; readonly nacks: readonly Nack[] }
  | { readonly from: 'taken'; readonly id: number }
  | { readonly from: 'load'; readonly load: Load }
  | { readonly from: 'collected'; readonly id: number; readonly value: Collected[What] }
  | { readonly from: 'ask'; readonly id: number; readonly what: What }
  | { readonly from: 'records'; readonly lines: Lines }
  | { readonly from: 'leases'; readonly report: LeaseReport }
  /** The last thing that it says. */
  | { readonly from: 'last'; readonly load: Load; readonly metrics: MetricsPart }
