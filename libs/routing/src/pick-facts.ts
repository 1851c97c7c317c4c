import { type PickInputs, type PolicySpec } from '@signalbox/model'
import { admits, slowStartShare } from './breaker.ts'
import { latencyAt } from './latency.ts'
import { breakerOf } from './model-breakers.ts'
import { type CompiledTarget } from './table.ts'
import { hasRoom, type PickContext } from './usable.ts'

export type Mutable<T> = { -readonly [K in keyof T]: T[K] }
type Places = 'down' | 'full' | 'ejected' | 'unreached'
export type Facts = Pick<PickInputs, Places | 'costs' | 'slow'>

/** Gathers what is out of the ordinary. */
export class FactsOf {
  readonly all: Mutable<Facts> & Partial<Record<Places, number[]>> = {}
  readonly #context: PickContext
  readonly #counts: boolean
  readonly #measures: boolean
  #costs: [number, number, number | null][] | undefined
  #slow: [number, number][] | undefined

  constructor(policy: PolicySpec, context: PickContext) {
    this.#context = context
    this.#counts = counts(policy)
    this.#measures = policy.strategy === 'LeastLatency'
  }

  /** `always`: that it was looked at is not known otherwise. */
  look(target: CompiledTarget, place: number, always: boolean): void {
    const { nowMs } = this.#context
    const live = this.#context.live[target.backend.index]
    if (target.weight === 0) return
    if (!live?.eligible) this.#add('down', place)
    if (!live) return
    if (!hasRoom(target, live, this.#context)) this.#add('full', place)
    const { inFlight } = live
    const breaker = breakerOf(target, live, nowMs)
    if (breaker) {
      const share = slowStartShare(breaker, nowMs)
      if (share < 1) (this.#slow ??= []).push([place, share])
      if (this.#slow) this.all.slow = this.#slow
      if (!admits(breaker, nowMs)) {
        this.#add(breaker.cause === 'failures' ? 'ejected' : 'unreached', place)
      }
    }
    if (!this.#counts) return
    const latency = this.#measures && live.samples > 0 ? latencyAt(live, nowMs) : null
    if (!always && inFlight === 0 && latency === null) return
    this.all.costs = this.#costs ??= []
    this.#costs.push([place, inFlight, latency])
  }

  #add(what: Places, place: number): void {
    ;(this.all[what] ??= []).push(place)
  }
}

/** Whether the policy goes by a hash. */
export function hashes({ strategy }: PolicySpec): boolean {
  return strategy === 'ConsistentHash' || strategy === 'PrefixAware'
}

/** Whether it counts how many requests are in flight. */
function counts(policy: PolicySpec): boolean {
  const { strategy, fallbackStrategy } = policy
  if (strategy === 'LeastLatency' || strategy === 'LeastRequests' || hashes(policy)) return true
  return strategy === 'Locality' && fallbackStrategy === 'LeastRequests'
}
