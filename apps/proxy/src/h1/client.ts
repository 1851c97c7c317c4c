import { type Cancel, type Clock } from '@signalbox/host'
import type { Dispatcher } from 'undici'
import { Connection, ConnectionError, type Exchanged, type Origin } from './connection.ts'

/**
 * Below the 5 s after which common servers close an idle connection: a request that is written just
 * then is lost, and may not be sent again.
 */
export const KEEP_ALIVE_MS = 4_000
/** The backend's own word is taken with this much less. */
const KEEP_ALIVE_MARGIN_MS = 1_000
/** How often unused connections are looked at: one over the bound may stay for as long. */
const SWEEP_MS = 1_000
const MS_PER_S = 1_000

export interface Keeping {
  /** How many unused connections are kept. */
  readonly idleMax: number
  /** And each for how long; the backend's own word is taken where it is shorter. */
  readonly idleMs: number
}

export interface ClientStats {
  readonly connected: number
  readonly free: number
}

/**
 * Connections to one origin by plain HTTP/1.1, one request on each at a time. Whoever calls keeps
 * the number of requests within that of connections. A request takes the connection that was used
 * last; where none is free it takes the first that becomes free or connects.
 */
export class Client {
  readonly #origin: Origin
  readonly #clock: Clock
  readonly #keeping: Keeping
  readonly #all = new Set<Connection>()
  /** The one that was used last stands last. */
  readonly #free: Connection[] = []
  readonly #waiting: Exchanged[] = []
  #connecting = 0
  #closing = false
  #cancelSweep: Cancel | null = null

  constructor(origin: Origin, clock: Clock, keeping: Keeping) {
    this.#origin = origin
    this.#clock = clock
    this.#keeping = keeping
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    const { method, path, headers, body, bodyTimeout } = options
    const parts = {
      method,
      path,
      headers: (headers ?? []) as readonly string[],
      body: (body ?? null) as Buffer | AsyncIterable<Buffer> | null,
    }
    const exchanged = { parts, handler, idleMs: bodyTimeout ?? 0 }
    const free = this.#takeFree()
    if (free) return free.send(exchanged)
    this.#waiting.push(exchanged)
    if (this.#connecting < this.#waiting.length) this.#connect()
  }

  get stats(): ClientStats {
    return { connected: this.#all.size - this.#connecting, free: this.#free.length }
  }

  /** Takes nothing new; what is under way is still served. */
  close(): void {
    this.#closing = true
    for (const connection of this.#free.splice(0)) connection.destroy()
    this.#cancelSweep?.()
  }

  destroy(): void {
    this.close()
    for (const connection of [...this.#all]) connection.destroy()
    const error = new ConnectionError('CONNECTION_CLOSED', 'the connections are closed')
    for (const { handler } of this.#waiting.splice(0)) failUnconnected(handler, error)
  }

  #connect(): void {
    this.#connecting += 1
    const connection = new Connection(this.#origin, {
      clock: this.#clock,
      onConnected: (connected) => {
        this.#connecting -= 1
        this.#give(connected)
      },
      onIdle: (idle) => this.#give(idle),
      onClosed: (closed, error) => this.#closed(closed, error),
    })
    this.#all.add(connection)
  }

  #give(connection: Connection): void {
    const next = connection.usable ? this.#waiting.shift() : undefined
    if (next) return connection.send(next)
    if (this.#closing || !connection.usable) return connection.destroy()
    connection.idleSinceMs = this.#clock.monotonicMs()
    this.#free.push(connection)
    this.#cancelSweep ??= this.#clock.after(SWEEP_MS, () => this.#sweep())
  }

  #closed(connection: Connection, error: Error | null): void {
    this.#all.delete(connection)
    const at = this.#free.indexOf(connection)
    if (at >= 0) this.#free.splice(at, 1)
    if (!error) return
    this.#connecting -= 1
    // One connection less for those who wait: the first of them is the one that it was made for.
    if (this.#waiting.length > this.#connecting) {
      const first = this.#waiting.shift()
      if (first) failUnconnected(first.handler, error)
    }
  }

  #takeFree(): Connection | undefined {
    for (let last = this.#free.pop(); last; last = this.#free.pop()) {
      if (last.usable && !this.#isStale(last)) return last
      last.destroy()
    }
    return undefined
  }

  #isStale({ idleSinceMs, keepAliveS }: Connection): boolean {
    const said = keepAliveS === null ? Infinity : keepAliveS * MS_PER_S - KEEP_ALIVE_MARGIN_MS
    return this.#clock.monotonicMs() - idleSinceMs >= Math.min(this.#keeping.idleMs, said)
  }

  /** Over the bound, and not only since a moment: between two requests all are unused. */
  #isExtra({ idleSinceMs }: Connection, at: number): boolean {
    const over = this.#free.length - this.#keeping.idleMax
    return at < over && this.#clock.monotonicMs() - idleSinceMs >= SWEEP_MS
  }

  #sweep(): void {
    this.#cancelSweep = null
    const done = this.#free.filter((one, at) => this.#isStale(one) || this.#isExtra(one, at))
    for (const connection of done) {
      this.#free.splice(this.#free.indexOf(connection), 1)
      connection.destroy()
    }
    if (this.#free.length > 0) {
      this.#cancelSweep = this.#clock.after(SWEEP_MS, () => this.#sweep())
    }
  }
}

/** Of a request that never had a connection. */
export function failUnconnected(handler: Dispatcher.DispatchHandler, error: Error): void {
  const controller = {
    aborted: true,
    paused: false,
    reason: error,
    abort: () => {},
    pause: () => {},
    resume: () => {},
  }
  handler.onResponseError?.(controller, error)
}
