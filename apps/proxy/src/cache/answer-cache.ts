import { type Clock, Counter, gaugesOf, type Metrics } from '@signalbox/host'
import { Flights } from './flights.ts'
import { type KeptAnswer } from './kept-answer.ts'
import { MemoryCache } from './memory.ts'
import { SharedCache, type SharedOptions } from './shared.ts'

export type CacheResult = 'hit' | 'miss' | 'coalesced' | 'bypass'

export interface AnswerCacheOptions {
  readonly clock: Clock
  readonly metrics: Metrics
  /** In this process. */
  readonly bytesMax: number
  /** Null: answers stay in this process. */
  readonly shared: Omit<SharedOptions, 'onError'> | null
}

/** Answers that are given again, and requests that wait for the answer of another. */
export class AnswerCache {
  readonly flights = new Flights()
  readonly #clock: Clock
  readonly #memory: MemoryCache
  readonly #shared: SharedCache | null
  readonly #results: Counter<'result' | 'level'>

  constructor({ clock, metrics, bytesMax, shared }: AnswerCacheOptions) {
    this.#clock = clock
    this.#memory = new MemoryCache(bytesMax)
    this.#results = new Counter({
      name: 'signalbox_cache_requests_total',
      help: 'Requests under a policy with a cache or deduplication, by what came of it',
      labelNames: ['result', 'level'],
      registers: [metrics],
    })
    const failures = new Counter({
      name: 'signalbox_cache_shared_errors_total',
      help: 'Looks into the shared cache, and writes to it, that failed or took too long',
      registers: [metrics],
    })
    this.#shared = shared && new SharedCache({ ...shared, onError: () => failures.inc() })
    const gauge = gaugesOf(metrics)
    gauge('signalbox_cache_bytes', 'Bytes of answers in memory', () => this.#memory.bytes)
    gauge('signalbox_cache_answers', 'Answers in memory', () => this.#memory.count)
    const { flights } = this
    const isConnected = () => Number(this.#shared?.connected ?? false)
    gauge('signalbox_cache_shared_connected', '1 while the shared cache can be asked', isConnected)
    gauge('signalbox_cache_flights', 'Calls whose answer others may wait for', () => flights.count)
    gauge('signalbox_cache_waiting', 'Requests that wait for such an answer', () => flights.waiting)
  }

  /** Rejects never; a shared cache that does not answer at once is a miss. */
  async find(key: string, shared: boolean): Promise<KeptAnswer | undefined> {
    const near = this.#memory.get(key, this.#clock.nowMs())
    if (near) {
      this.#results.inc({ result: 'hit', level: 'memory' })
      return near
    }
    const far = shared ? await this.#shared?.get(key) : undefined
    if (!far || far.endsAtMs <= this.#clock.nowMs()) return undefined
    this.#memory.put(key, far)
    this.#results.inc({ result: 'hit', level: 'shared' })
    return far
  }

  keep(key: string, answer: KeptAnswer, shared: boolean): void {
    this.#memory.put(key, answer)
    if (shared) this.#shared?.put(key, answer, answer.endsAtMs - this.#clock.nowMs())
  }

  /** What was no hit. */
  count(result: Exclude<CacheResult, 'hit'>): void {
    this.#results.inc({ result, level: '' })
  }

  stop(): void {
    this.#shared?.stop()
  }
}
