import { type Cancel, type Clock } from '@signalbox/host'
import type { buildConnector, Client as ClientType, Dispatcher } from 'undici'
import Client from 'undici/lib/dispatcher/client.js'

/** How often unused connections are looked at: one over the bound may stay for as long. */
const SWEEP_MS = 1_000
/** Of a session that ends: undici begins no more than these in one, and here is one beside them. */
const STREAMS_LEFT_MAX = 101

/**
 * The bound of unused connections that undici's pool has not got. The pool makes its clients, one
 * a connection, through `open`; while more of them are unused than the bound allows, those that
 * nobody used since the last look lose their sockets. The pool connects such a client anew when it
 * needs it, as after the end of its idle time.
 */
export class IdleBound {
  readonly #idleMax: number
  readonly #clock: Clock
  readonly #seen = new Map<BoundClient, number>()
  #cancelSweep: Cancel | null = null

  constructor(idleMax: number, clock: Clock) {
    this.#idleMax = idleMax
    this.#clock = clock
  }

  readonly open = (origin: URL, options: object): Dispatcher => {
    const client = new BoundClient(origin, options as ClientType.Options)
    this.#seen.set(client, 0)
    return client
  }

  /** A request has ended: there may be too many unused ones. */
  freed(): void {
    if (this.#seen.size <= this.#idleMax) return
    this.#cancelSweep ??= this.#clock.after(SWEEP_MS, () => this.#sweep())
  }

  stop(): void {
    this.#cancelSweep?.()
    this.#cancelSweep = null
  }

  #sweep(): void {
    this.#cancelSweep = null
    const unused = []
    for (const [client, uses] of this.#seen) {
      if (client.destroyed) this.#seen.delete(client)
      else if (client.unused) unused.push({ client, uses })
    }
    let over = unused.length - this.#idleMax
    // The pool asks its first client first: the last ones are used least.
    for (const { client, uses } of unused.reverse()) {
      if (over > 0 && client.uses === uses) {
        client.disconnect()
        over -= 1
      }
      this.#seen.set(client, client.uses)
    }
    if (over > 0) this.freed()
  }
}

/**
 * A session that the backend ends by GOAWAY may have streams for minutes yet. undici then gives its
 * client the next request, and counts by `pipelining` whether that may be begun beside them: by 1
 * it would wait for the last of them, so it is more until there is another connection. A client of
 * HTTP/1.1 has no request left when it is disconnected, and is given one at a time as ever.
 */
class BoundClient extends Client {
  uses = 0
  #socket: { destroy(): unknown } | null = null

  constructor(origin: URL, options: ClientType.Options) {
    const connect = options.connect as buildConnector.connector
    super(origin, {
      ...options,
      connect: (to, callback) =>
        connect(to, (...answer: buildConnector.CallbackArgs) => {
          this.#socket = answer[1]
          callback(...answer)
        }),
    })
    this.on('disconnect', () => (this.pipelining = STREAMS_LEFT_MAX))
    this.on('connect', () => (this.pipelining = 1))
  }

  override dispatch(
    options: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
  ): boolean {
    this.uses += 1
    return super.dispatch(options, handler)
  }

  get unused(): boolean {
    const { connected, size } = this.stats
    return Boolean(connected) && size === 0
  }

  disconnect(): void {
    this.#socket?.destroy()
  }
}
