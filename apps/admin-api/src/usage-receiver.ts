import { type Bus, BusUnavailable, type UsageBatch } from '@signalbox/bus'
import { type Cancel, type Clock, Counter, type Log, type Metrics } from '@signalbox/host'
import { decodeRecords } from '@signalbox/model'
import { type Store } from '@signalbox/store'

const DAY_MS = 86_400_000
/** Old days go when it starts, and then this often. */
const FORGET_MS = 3_600_000
/** Clocks differ; what is further ahead is no time that a request can have come at. */
const AHEAD_MS_MAX = 3_600_000
/** Batches that are being stored; a proxy whose batch is over it sends it again, later. */
const STORING_MAX = 16

export interface UsageReceiverDeps {
  readonly store: Pick<Store, 'requests'>
  readonly bus: Pick<Bus, 'onUsage'>
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly retentionDays: number
}

/** Stores what proxies report of their requests, and forgets it when it is old. */
export class UsageReceiver {
  readonly #deps: UsageReceiverDeps
  readonly #counted: Counter
  readonly #ends: readonly Cancel[]
  #storing = 0
  #forgetting: Promise<void>

  constructor(deps: UsageReceiverDeps) {
    this.#deps = deps
    this.#counted = new Counter({
      name: 'signalbox_usage_records_total',
      help: 'Records of requests: stored, repeated (stored before), malformed, out_of_time',
      labelNames: ['outcome'],
      registers: [deps.metrics],
    })
    this.#forgetting = this.#forget()
    this.#ends = [
      deps.bus.onUsage((batch) => this.#receive(batch)),
      deps.clock.every(FORGET_MS, () => (this.#forgetting = this.#forget())),
    ]
  }

  async stop(): Promise<void> {
    for (const end of this.#ends) end()
    await this.#forgetting
  }

  /** Resolves when nothing of the batch can be lost any more. */
  async #receive(batch: UsageBatch): Promise<void> {
    if (this.#storing >= STORING_MAX) throw new BusUnavailable('too many batches are being stored')
    this.#storing += 1
    try {
      await this.#store(batch)
    } catch (error) {
      const { proxy, id } = batch
      this.#deps.log.warn({ cause: String(error), proxy, batch: id }, 'usage is not stored')
      throw error
    } finally {
      this.#storing -= 1
    }
  }

  /** What no repetition can mend is counted and left out. */
  async #store({ proxy, text }: UsageBatch): Promise<void> {
    const { records, malformed } = decodeRecords(text)
    // Nobody speaks for another proxy.
    const own = records.filter((one) => one.proxy === proxy)
    const [fromMs, toMs] = this.#span()
    const timely = own.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs)
    const stored = await this.#deps.store.requests.record(timely)
    const count = (outcome: string, much: number) => this.#counted.inc({ outcome }, much)
    count('stored', stored)
    count('repeated', timely.length - stored)
    count('malformed', malformed + records.length - own.length)
    count('out_of_time', own.length - timely.length)
  }

  /** Days that are kept: nobody makes tables for others. */
  #span(): readonly [number, number] {
    const { clock, retentionDays } = this.#deps
    const nowMs = clock.nowMs()
    const today = Math.floor(nowMs / DAY_MS)
    return [(today - retentionDays) * DAY_MS, nowMs + AHEAD_MS_MAX]
  }

  async #forget(): Promise<void> {
    const { store, log } = this.#deps
    try {
      const days = await store.requests.forgetBefore(new Date(this.#span()[0]))
      if (days > 0) log.info({ days }, 'old records of requests were dropped')
    } catch (error) {
      log.warn({ cause: String(error) }, 'old records of requests are not dropped now')
    }
  }
}
