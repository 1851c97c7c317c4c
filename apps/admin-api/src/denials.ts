import { type Cancel, type Clock, Counter, type Log, type Metrics } from '@signalbox/host'
import { type Denial, type Store } from '@signalbox/store'

const FLUSH_MS = 1_000
/** Nobody fills the database by hammering: what is over this in a second is only counted. */
export const DENIALS_A_FLUSH_MAX = 100

export interface DenialsDeps {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

/** Records calls that were refused, off their path; without the database they are only counted. */
export class Denials {
  readonly #deps: DenialsDeps
  readonly #counted: Counter
  readonly #dropped: Counter
  readonly #stopRepeating: Cancel
  #waiting: Denial[] = []
  #flushing: Promise<void> = Promise.resolve()

  constructor(deps: DenialsDeps) {
    this.#deps = deps
    const registers = [deps.metrics]
    this.#counted = new Counter({
      name: 'signalbox_admin_denials_total',
      help: 'Calls of the admin API that were refused',
      labelNames: ['code'],
      registers,
    })
    this.#dropped = new Counter({
      name: 'signalbox_admin_denials_unrecorded_total',
      help: 'Refused calls that are counted but not in the table',
      registers,
    })
    this.#stopRepeating = deps.clock.every(FLUSH_MS, () => void this.flush())
  }

  note(denial: Denial): void {
    this.#counted.inc({ code: denial.code })
    if (this.#waiting.length < DENIALS_A_FLUSH_MAX) this.#waiting.push(denial)
    else this.#dropped.inc()
  }

  /** Settles when what was noted so far is written, or given up. */
  flush(): Promise<void> {
    const denials = this.#waiting
    this.#waiting = []
    if (denials.length > 0) this.#flushing = this.#flushing.then(() => this.#write(denials))
    return this.#flushing
  }

  async stop(): Promise<void> {
    this.#stopRepeating()
    await this.flush()
  }

  async #write(denials: readonly Denial[]): Promise<void> {
    try {
      await this.#deps.store.recordDenials(denials)
    } catch (error) {
      this.#dropped.inc(denials.length)
      const cause = error instanceof Error ? error.message : 'unknown'
      this.#deps.log.warn({ cause, denials: denials.length }, 'refused calls are not recorded')
    }
  }
}
