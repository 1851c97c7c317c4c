import { type Cancel, type Clock, Counter, type Log, type Metrics } from '@signalbox/host'
import { type Status } from '@signalbox/model'
import { type Store, type Transition } from '@signalbox/store'
import { type Statuses } from './statuses.ts'

const FLUSH_MS = 1_000
/** A fleet that flaps does not fill the database: what is over this in a second is only counted. */
const TRANSITIONS_A_FLUSH_MAX = 500
/** Probes give reasons of a few words; more is not kept. */
const ERROR_CHARS_MAX = 500

export interface TransitionsDeps {
  readonly store: Pick<Store, 'transitions'>
  readonly statuses: Statuses
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

/** Keeps when backends changed sides; without the database it is only counted that they did. */
export class Transitions {
  readonly #deps: TransitionsDeps
  readonly #dropped: Counter
  readonly #ends: readonly Cancel[]
  #waiting: Transition[] = []
  #flushing: Promise<void> | undefined

  constructor(deps: TransitionsDeps) {
    this.#deps = deps
    this.#dropped = new Counter({
      name: 'signalbox_status_transitions_unrecorded_total',
      help: 'Changes of health that are in no history',
      registers: [deps.metrics],
    })
    this.#ends = [
      deps.statuses.onChange((status, before) => {
        if (status.health !== before?.health) this.#note(status)
      }),
      deps.clock.every(FLUSH_MS, () => void this.#flush()),
    ]
  }

  async stop(): Promise<void> {
    for (const end of this.#ends) end()
    await this.#flushing
    await this.#flush()
  }

  #note({ backend, health, sinceMs, ...status }: Status): void {
    const { statuses, clock } = this.#deps
    const observers = statuses
      .observations(backend)
      .filter(({ status, fresh }) => fresh && status.health === health)
      .map(({ status }) => status.observer)
    if (this.#waiting.length >= TRANSITIONS_A_FLUSH_MAX) {
      this.#dropped.inc()
      return
    }
    const error = status.error?.slice(0, ERROR_CHARS_MAX) ?? null
    const [since, at] = [sinceMs, clock.nowMs()].map((ms) => new Date(ms).toISOString())
    if (!since || !at) return
    this.#waiting.push({ backend, health, since, at, error, observers })
  }

  #flush(): Promise<void> {
    // One at a time: what comes meanwhile waits, within its bound.
    if (this.#flushing) return this.#flushing
    const transitions = this.#waiting
    if (transitions.length === 0) return Promise.resolve()
    this.#waiting = []
    this.#flushing = this.#write(transitions).finally(() => (this.#flushing = undefined))
    return this.#flushing
  }

  async #write(transitions: readonly Transition[]): Promise<void> {
    try {
      await this.#deps.store.transitions.record(transitions)
    } catch (error) {
      this.#dropped.inc(transitions.length)
      const cause = error instanceof Error ? error.message : 'unknown'
      this.#deps.log.warn({ cause, transitions: transitions.length }, 'history is not recorded')
    }
  }
}
