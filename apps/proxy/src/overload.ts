import { type Cancel, type Clock, Counter, gaugesOf, type Metrics } from '@signalbox/host'
import { type Failure } from '@signalbox/model'
import { internal } from './failures.ts'

/*
 * A proxy that has more than it can do makes everybody wait; one that runs out of memory loses them
 * all. Before that it refuses new requests, in microseconds, so that those under way are finished:
 *
 *     lag:     an average of how late a timer runs reaches lagMsMax  -> until it is half of that
 *     memory:  the resident set reaches memoryBytesMax               -> until it is a tenth below
 *
 * A single pause, however long a collection of garbage takes, moves the average by a fifth. Memory
 * may stay where it is though nobody uses it: so a few requests are always let through.
 */
const SAMPLE_MS = 100
const WEIGHT = 0.2
const SAMPLES_PER_MEMORY = 10
const LAG_OVER = 0.5
const MEMORY_OVER = 0.9
/** Under way, below which memory refuses nobody. */
export const FEW_REQUESTS = 8

type Cause = 'lag' | 'memory'

export interface OverloadOptions {
  readonly clock: Clock
  readonly metrics: Metrics
  /** Null: not looked at. */
  readonly lagMsMax: number | null
  readonly memoryBytesMax: number | null
  readonly rssBytes: () => number
  /** Requests under way. */
  readonly inFlight: () => number
}

export class Overload {
  readonly #options: OverloadOptions
  readonly #refused: Counter<'cause'>
  readonly #cancel: Cancel
  #lagMs = 0
  #sampledMs: number
  #samples = 0
  #late = false
  #full = false

  constructor(options: OverloadOptions) {
    const { clock, metrics, lagMsMax, memoryBytesMax } = options
    this.#options = options
    this.#refused = new Counter({
      name: 'signalbox_overload_refused_total',
      help: 'Requests that were refused because the proxy has more than it can do, by what of',
      labelNames: ['cause'],
      registers: [metrics],
    })
    gaugesOf(metrics)('signalbox_overloaded', '1 while new requests are refused', () =>
      this.#late || this.#full ? 1 : 0,
    )
    this.#sampledMs = clock.monotonicMs()
    const looks = lagMsMax !== null || memoryBytesMax !== null
    this.#cancel = looks ? clock.every(SAMPLE_MS, () => this.#sample()) : () => {}
  }

  /** Why a new request is refused; undefined: it is not. Two reads where all is well. */
  refuses(): Failure | undefined {
    if (!this.#late && !this.#full) return undefined
    const cause = this.#causeNow()
    if (!cause) return undefined
    this.#refused.inc({ cause })
    return internal('overloaded', `the proxy has more than it can do (${cause})`)
  }

  stop(): void {
    this.#cancel()
  }

  #causeNow(): Cause | undefined {
    if (this.#late) return 'lag'
    // The one that asks counts already.
    return this.#options.inFlight() > FEW_REQUESTS ? 'memory' : undefined
  }

  #sample(): void {
    const { clock, lagMsMax, memoryBytesMax, rssBytes } = this.#options
    const nowMs = clock.monotonicMs()
    const lateMs = Math.max(0, nowMs - this.#sampledMs - SAMPLE_MS)
    this.#sampledMs = nowMs
    this.#lagMs += (lateMs - this.#lagMs) * WEIGHT
    if (lagMsMax !== null) this.#late = this.#lagMs >= lagMsMax * (this.#late ? LAG_OVER : 1)
    this.#samples += 1
    if (memoryBytesMax === null || this.#samples % SAMPLES_PER_MEMORY !== 0) return
    this.#full = rssBytes() >= memoryBytesMax * (this.#full ? MEMORY_OVER : 1)
  }
}
