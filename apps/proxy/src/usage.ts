import { type Bus } from '@signalbox/bus'
import { type Cancel, type Clock, Counter, gaugesOf, type Log, type Metrics } from '@signalbox/host'
import { type RequestRecord } from '@signalbox/model'
import { type Spool } from './spool.ts'
import { type Lines, WaitingLines } from './waiting-lines.ts'

/*
 * Records of requests leave a proxy in batches, off the path of any request:
 *
 *     waiting (bounded) -> batch -> bus, stored and answered -> gone
 *                            \-> not now: spool (bounded, on disk) -> bus, when it works again
 *
 * A batch keeps its id and its records theirs, so that what is delivered twice is stored once.
 * What a bound leaves out is counted.
 */

export const FLUSH_MS = 500
/** After a failure the bus is asked again no sooner than this, doubled each time. */
const RETRY_MS = 1_000
const RETRY_MS_MAX = 30_000
const SPOOLED_A_FLUSH_MAX = 20

export interface UsageDeps {
  readonly bus: Pick<Bus, 'deliverUsage'>
  readonly spool: Spool
  readonly proxy: string
  /** Of this start of the process: with a count it names batches. */
  readonly boot: string
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

export interface Usage {
  add(record: RequestRecord): void
  /** Delivers or spools what waits. */
  stop(): Promise<void>
}

/** The usage of a proxy, its workers' included. */
export class UsageLane implements Usage {
  readonly #deps: UsageDeps
  readonly #dropped: Counter
  readonly #stored: Counter
  readonly #opened: Promise<unknown>
  readonly #stopFlushing: Cancel
  readonly #waiting = new WaitingLines()
  #flushing: Promise<void> | undefined
  #batches = 0
  #failures = 0
  #notBeforeMs = -Infinity

  constructor(deps: UsageDeps) {
    const { clock, metrics, spool } = deps
    this.#deps = deps
    const counter = (name: string, help: string) =>
      new Counter({ name, help, registers: [metrics] })
    this.#dropped = counter('signalbox_usage_dropped_total', 'Records that a bound left out')
    this.#stored = counter('signalbox_usage_stored_total', 'Records that were stored')
    const gauge = gaugesOf(metrics)
    gauge('signalbox_usage_waiting', 'Records that wait in memory', () => this.#waiting.count)
    gauge('signalbox_usage_spooled_bytes', 'Bytes of records on disk', () => spool.bytes())
    this.#opened = this.#guarded('the spool of usage cannot be read', () => spool.open())
    this.#stopFlushing = clock.every(FLUSH_MS, () => void this.flush())
  }

  add(record: RequestRecord): void {
    if (!this.#waiting.add(record)) this.#dropped.inc()
  }

  /** What a worker recorded. */
  addLines(lines: Lines): void {
    if (!this.#waiting.addLines(lines)) this.#dropped.inc(lines.records)
  }

  /** One at a time; what comes meanwhile waits for the next. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => (this.#flushing = undefined))
    return this.#flushing
  }

  async stop(): Promise<void> {
    this.#stopFlushing()
    await this.flush()
    await this.flush()
  }

  async #flush(): Promise<void> {
    await this.#opened
    for (let lines = this.#waiting.shift(); lines; lines = this.#waiting.shift()) {
      const one = { id: `${this.#deps.boot}-${++this.#batches}`, text: lines.text }
      if (await this.#deliver(one)) this.#stored.inc(lines.records)
      else await this.#keep(one, lines.records)
    }
    await this.#drain()
  }

  async #drain(): Promise<void> {
    const { spool } = this.#deps
    await this.#guarded('the spool of usage cannot be read', async () => {
      for (let n = 0; n < SPOOLED_A_FLUSH_MAX && spool.bytes() > 0; n++) {
        if (this.#isWaiting()) return
        const one = await spool.first()
        if (!one || !(await this.#deliver(one))) return
        this.#stored.inc(one.text.split('\n').length - 1)
        await spool.remove(one.id)
      }
    })
  }

  #isWaiting(): boolean {
    return this.#deps.clock.monotonicMs() < this.#notBeforeMs
  }

  /** False: not now. While a failure is fresh nobody is asked. */
  async #deliver({ id, text }: { id: string; text: string }): Promise<boolean> {
    const { bus, proxy, clock, log } = this.#deps
    if (this.#isWaiting()) return false
    try {
      await bus.deliverUsage({ proxy, id, text })
      this.#failures = 0
      return true
    } catch (error) {
      const waitMs = Math.min(RETRY_MS * 2 ** this.#failures++, RETRY_MS_MAX)
      this.#notBeforeMs = clock.monotonicMs() + waitMs
      log.debug({ cause: String(error), waitMs }, 'usage is not delivered now')
      return false
    }
  }

  async #keep(batch: { id: string; text: string }, records: number): Promise<void> {
    const kept = await this.#guarded('usage cannot be spooled', () => this.#deps.spool.add(batch))
    if (!kept) this.#dropped.inc(records)
  }

  async #guarded<Value>(message: string, work: () => Promise<Value>): Promise<Value | undefined> {
    try {
      return await work()
    } catch (error) {
      this.#deps.log.warn({ cause: String(error) }, message)
      return undefined
    }
  }
}
