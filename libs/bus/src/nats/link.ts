import {
  connect,
  type Msg,
  type NatsConnection,
  type NodeConnectionOptions,
} from '@nats-io/transport-node'
import { type Cancel, type Clock, type Log } from '@signalbox/host'
import { BusUnavailable, type Unsubscribe } from '../bus.ts'
import { listeners } from '../listeners.ts'

const CONNECT_TIMEOUT_MS = 5_000
const RECONNECT_WAIT_MS = 250
/** Spreads a fleet that lost the same broker. */
const RECONNECT_JITTER_MS = 2_000
const PING_INTERVAL_MS = 10_000
const PINGS_UNANSWERED_MAX = 2
const FLUSH_MS_MAX = 500

export interface LinkOptions {
  readonly connection: NodeConnectionOptions
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
}

interface Subscribed {
  readonly subject: string
  readonly take: (message: Msg) => void
  readonly queue: string | undefined
  unsubscribe: Unsubscribe
}

/**
 * One connection that is always wanted: the first connect is tried for ever as well, which the
 * client does not do without blocking its caller; and one that the client gave up (it does after
 * certain errors) is made anew. Subscriptions outlive all that.
 */
export class NatsLink {
  readonly #options: LinkOptions
  readonly #changes = listeners<boolean>()
  readonly #subscribed = new Set<Subscribed>()
  #nc: NatsConnection | null = null
  #connected = false
  #closed = false
  #connecting: Promise<void> = Promise.resolve()
  #cancelRetry: Cancel = () => {}

  constructor(options: LinkOptions) {
    this.#options = options
    this.#connect()
  }

  connected = (): boolean => this.#connected
  onConnection = this.#changes.add

  /** The connection; throws BusUnavailable while there is none. */
  require(): NatsConnection {
    if (this.#nc && this.#connected) return this.#nc
    throw new BusUnavailable('not connected to NATS')
  }

  /** At most once: dropped while there is no connection, never kept for later. */
  publish(subject: string, payload: string): void {
    if (!this.#nc || !this.#connected) return
    try {
      this.#nc.publish(subject, payload)
    } catch (error) {
      this.#options.log.warn({ err: error, subject }, 'a message was not sent')
    }
  }

  /** With a queue: each message goes to one of those who subscribe with it. */
  subscribe(subject: string, take: (message: Msg) => void, queue?: string): Unsubscribe {
    const entry: Subscribed = { subject, take, queue, unsubscribe: () => {} }
    this.#subscribed.add(entry)
    if (this.#nc) this.#attach(this.#nc, entry)
    return () => {
      if (this.#subscribed.delete(entry)) entry.unsubscribe()
    }
  }

  async close(): Promise<void> {
    const wasConnected = this.#connected
    this.#closed = true
    this.#connected = false
    this.#cancelRetry()
    await this.#connecting
    if (!this.#nc || this.#nc.isClosed()) return
    if (wasConnected) await this.#flush(this.#nc)
    await this.#nc.close().catch(() => {})
  }

  /** What was published a moment ago (a last heartbeat) still goes out. */
  async #flush(nc: NatsConnection): Promise<void> {
    let cancel: Cancel = () => {}
    const late = new Promise<void>((resolve) => {
      cancel = this.#options.clock.after(FLUSH_MS_MAX, resolve)
    })
    await Promise.race([nc.flush().catch(() => {}), late])
    cancel()
  }

  #connect(): void {
    this.#connecting = connect({
      ...this.#options.connection,
      timeout: CONNECT_TIMEOUT_MS,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_WAIT_MS,
      reconnectJitter: RECONNECT_JITTER_MS,
      reconnectJitterTLS: RECONNECT_JITTER_MS,
      pingInterval: PING_INTERVAL_MS,
      maxPingOut: PINGS_UNANSWERED_MAX,
      // Credentials are rotated by operators; a refused one may be accepted again.
      ignoreAuthErrorAbort: true,
    }).then(
      (nc) => this.#use(nc),
      (error: unknown) => this.#retry(error),
    )
  }

  #retry(error: unknown): void {
    if (this.#closed) return
    const { clock, random, log } = this.#options
    log.debug({ err: error }, 'cannot connect to NATS')
    const waitMs = RECONNECT_WAIT_MS + random() * RECONNECT_JITTER_MS
    this.#cancelRetry = clock.after(waitMs, () => this.#connect())
  }

  #use(nc: NatsConnection): void {
    this.#nc = nc
    if (this.#closed) return
    for (const entry of this.#subscribed) this.#attach(nc, entry)
    void this.#watch(nc)
    void nc.closed().then((error) => {
      this.#set(false)
      if (this.#nc === nc) this.#nc = null
      this.#retry(error)
    })
    this.#set(true)
  }

  #attach(nc: NatsConnection, entry: Subscribed): void {
    const subscription = nc.subscribe(entry.subject, {
      ...(entry.queue === undefined ? {} : { queue: entry.queue }),
      callback: (error, message) => {
        if (!error) return entry.take(message)
        this.#options.log.error({ err: error, subject: entry.subject }, 'a subscription ended')
      },
    })
    entry.unsubscribe = () => {
      if (!nc.isClosed()) subscription.unsubscribe()
    }
  }

  async #watch(nc: NatsConnection): Promise<void> {
    const { log } = this.#options
    for await (const status of nc.status()) {
      if (status.type === 'disconnect') this.#set(false)
      else if (status.type === 'reconnect') this.#set(true)
      else if (status.type === 'error') log.warn({ err: status.error }, 'NATS reports an error')
    }
  }

  #set(connected: boolean): void {
    if (this.#closed || connected === this.#connected) return
    this.#connected = connected
    const { log, connection } = this.#options
    const fields = { servers: connection.servers }
    if (connected) log.info(fields, 'connected to NATS')
    else log.warn(fields, 'connection to NATS lost')
    this.#changes.emit(connected)
  }
}
