import type { Msg } from '@nats-io/transport-node'
import { type Clock, type Log } from '@signalbox/host'
import {
  type Head,
  type Heartbeat,
  type LeaseReport,
  type RevisionMessage,
  type Spending,
  type StatusTable,
} from '@signalbox/model'
import {
  type Bus,
  BusUnavailable,
  type FetchOutcome,
  type OpenedLog,
  type PublishOutcome,
  REQUEST_DEADLINE_MS,
  type SignedManifest,
  type StoredChunk,
  type StoreUsage,
  type Unsubscribe,
  type UsageBatch,
} from '../bus.ts'
import { belongs, requireFits, type StreamOwner } from '../stream-rules.ts'
import { NatsLink } from './link.ts'
import { connectionOptions } from './connection-options.ts'
import { type NatsOptions } from './options.ts'
import { dropSnapshot, getChunk, getManifest, putChunk, putManifest } from './snapshots.ts'
import { openStream, publish, read } from './stream.ts'
import { type Subjects, subjectsOf } from './subjects.ts'
import {
  JSON_BYTES_MAX,
  readHead,
  readHeartbeat,
  readLeases,
  readRevision,
  readSpendingOf,
  readStatusTable,
  readUsage,
  splitStatusTable,
  usageHeaders,
} from './wire.ts'

export interface ConnectNatsOptions extends NatsOptions {
  readonly fleet: string
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
}

/** What a batch of usage is answered with. */
const STORED = 'stored'

/** A manifest is stored at once; what it leaves behind may be a thousand chunks. */
const SWEEP_DEADLINE_MS = 60_000

/** Malformed messages are named in the log at most this often; all are counted. */
const COMPLAINT_INTERVAL_MS = 10_000

/**
 * The bus over NATS 2.9 or newer with JetStream. Answers at once and connects in the background,
 * for ever: a broker that is down stops nobody from starting. Throws ConfigError for credentials
 * that cannot be read.
 */
export function connectNats(options: ConnectNatsOptions): Promise<Bus> {
  const { clock, random, log } = options
  const connection = connectionOptions(options)
  return Promise.resolve(new NatsBus(new NatsLink({ connection, clock, random, log }), options))
}

class NatsBus implements Bus {
  readonly #link: NatsLink
  readonly #clock: Clock
  readonly #log: Log
  readonly #subjects: Subjects
  readonly #replicas: number
  #opened: StreamOwner | null = null
  #malformed = 0
  #complainedAtMs = -Infinity

  constructor(link: NatsLink, options: ConnectNatsOptions) {
    this.#link = link
    this.#clock = options.clock
    this.#log = options.log
    this.#subjects = subjectsOf(options.fleet)
    this.#replicas = options.replicas ?? 1
  }

  connected = (): boolean => this.#link.connected()
  onConnection = (listener: (connected: boolean) => void): Unsubscribe =>
    this.#link.onConnection(listener)

  openStream(log: OpenedLog): Promise<Head> {
    return this.#within(REQUEST_DEADLINE_MS, async () => {
      const nc = this.#link.require()
      const place = { nc, subjects: this.#subjects, replicas: this.#replicas }
      const name = this.#subjects.snapshotBucket
      const end = await openStream(place, log, () => dropSnapshot({ nc, name }))
      this.#opened = { lineage: log.lineage, epoch: log.epoch }
      return end
    })
  }

  async publishRevision(message: RevisionMessage): Promise<PublishOutcome> {
    requireFits(message)
    if (!belongs(message, this.#opened)) return { kind: 'conflict' }
    return this.#within(REQUEST_DEADLINE_MS, () =>
      publish({ nc: this.#link.require(), subjects: this.#subjects }, message),
    )
  }

  publishChunk(chunk: StoredChunk): Promise<void> {
    return this.#within(REQUEST_DEADLINE_MS, () => putChunk(this.#bucket(), chunk))
  }

  publishManifest(next: SignedManifest, base: SignedManifest | null): Promise<PublishOutcome> {
    return this.#within(SWEEP_DEADLINE_MS, () => putManifest(this.#bucket(), next, base))
  }

  revisions(range: { readonly from: number; readonly to: number }): Promise<FetchOutcome> {
    return this.#within(REQUEST_DEADLINE_MS, () =>
      read({ nc: this.#link.require(), subjects: this.#subjects }, range),
    )
  }

  latestManifest(): Promise<SignedManifest | null> {
    return this.#within(REQUEST_DEADLINE_MS, () => getManifest(this.#bucket()))
  }

  snapshotChunk(hash: string): Promise<Uint8Array | null> {
    return this.#within(REQUEST_DEADLINE_MS, () => getChunk(this.#bucket(), hash))
  }

  publishBeacon(head: Head): void {
    this.#link.publish(this.#subjects.beacon, JSON.stringify(head))
  }

  sendHeartbeat(heartbeat: Heartbeat): void {
    this.#link.publish(this.#subjects.heartbeat(heartbeat.id), JSON.stringify(heartbeat))
  }

  sendStatus(table: StatusTable): void {
    const subject = this.#subjects.status(table.observer)
    for (const part of splitStatusTable(table, JSON_BYTES_MAX)) this.#link.publish(subject, part)
  }

  sendLeases(report: LeaseReport): void {
    this.#link.publish(this.#subjects.leases, JSON.stringify(report))
  }

  onLeases(listener: (report: LeaseReport) => void): Unsubscribe {
    return this.#hear(this.#subjects.leases, ({ data }) => readLeases(data), listener)
  }

  sendSpending(spending: Spending): void {
    this.#link.publish(this.#subjects.spending, JSON.stringify(spending))
  }

  onSpending(listener: (spending: Spending) => void): Unsubscribe {
    return this.#hear(this.#subjects.spending, ({ data }) => readSpendingOf(data), listener)
  }

  askAround(): void {
    this.#link.publish(this.#subjects.ask, '')
  }

  onRevision(listener: (message: RevisionMessage) => void): Unsubscribe {
    return this.#hear(this.#subjects.live, readRevision, listener)
  }

  onBeacon(listener: (head: Head) => void): Unsubscribe {
    return this.#hear(this.#subjects.beacon, ({ data }) => readHead(data), listener)
  }

  onHeartbeat(listener: (heartbeat: Heartbeat) => void): Unsubscribe {
    return this.#hear(this.#subjects.heartbeats, ({ data }) => readHeartbeat(data), listener)
  }

  onStatus(listener: (table: StatusTable) => void): Unsubscribe {
    return this.#hear(this.#subjects.statuses, ({ data }) => readStatusTable(data), listener)
  }

  onAsked(listener: () => void): Unsubscribe {
    return this.#link.subscribe(this.#subjects.ask, () => listener())
  }

  deliverUsage(batch: UsageBatch): Promise<void> {
    return this.#within(REQUEST_DEADLINE_MS, async () => {
      const answer = await this.#link.require().request(this.#subjects.usage, batch.text, {
        timeout: REQUEST_DEADLINE_MS,
        headers: usageHeaders(batch),
      })
      if (answer.string() !== STORED) throw new BusUnavailable('the batch was not stored')
    })
  }

  onUsage(store: StoreUsage): Unsubscribe {
    const { usage, usageQueue } = this.#subjects
    const take = (message: Msg) => {
      const batch = readUsage({ headers: message.headers, data: message.data })
      // Answered all the same: sent again it would be no better.
      if (!batch) {
        this.#complain(message.subject)
        message.respond(STORED)
        return
      }
      store(batch).then(
        () => message.respond(STORED),
        () => message.respond('not stored'),
      )
    }
    return this.#link.subscribe(usage, take, usageQueue)
  }

  close(): Promise<void> {
    return this.#link.close()
  }

  #bucket() {
    const name = this.#subjects.snapshotBucket
    return { nc: this.#link.require(), name, replicas: this.#replicas }
  }

  #hear<Value>(
    subject: string,
    parse: (message: Msg) => Value | undefined,
    listener: (value: Value) => void,
  ): Unsubscribe {
    return this.#link.subscribe(subject, (message) => {
      const value = parse(message)
      if (value === undefined) this.#complain(message.subject)
      else listener(value)
    })
  }

  #complain(subject: string): void {
    this.#malformed += 1
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#complainedAtMs < COMPLAINT_INTERVAL_MS) return
    this.#complainedAtMs = nowMs
    this.#log.warn({ subject, malformed: this.#malformed }, 'malformed messages were dropped')
  }

  /** Every wait ends, and every failure is BusUnavailable with its cause. */
  async #within<Answer>(deadlineMs: number, work: () => Promise<Answer>): Promise<Answer> {
    const deadline = Promise.withResolvers<never>()
    const cancel = this.#clock.after(deadlineMs, () => {
      deadline.reject(new BusUnavailable(`no answer within ${deadlineMs} ms`))
    })
    try {
      return await Promise.race([work(), deadline.promise])
    } catch (error) {
      if (error instanceof BusUnavailable) throw error
      const message = error instanceof Error ? error.message : String(error)
      throw new BusUnavailable(message, { cause: error })
    } finally {
      cancel()
    }
  }
}
