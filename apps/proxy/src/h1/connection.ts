import { type IncomingHttpHeaders } from 'node:http'
import { connect, type Socket } from 'node:net'
import { type Cancel, type Clock } from '@signalbox/host'
import type { Dispatcher } from 'undici'
import { type AnswerSink, AnswerParser } from './answer-parser.ts'
import { requestBytes, type RequestParts } from './request-bytes.ts'
import { sendPieces } from './send-pieces.ts'

/*
 * One connection to a backend, and the one request on it:
 *
 *     connecting -> idle <-> busy -> closed
 *
 * A request ends exactly once: by onResponseEnd() or by onResponseError(). The connection is idle
 * again only if the answer ended where its framing says, with not a byte behind it, the whole
 * request was written, and both sides want to go on; after anything else it is destroyed.
 */

/** When the socket itself gives up. An attempt gives up sooner: connectMs of backend or policy. */
const CONNECT_MS_MAX = 30_000
const READ_BYTES = 65_536
/** One for all connections: whoever reads has copied what it keeps before the next one reads. */
const scratch = Buffer.allocUnsafeSlow(READ_BYTES)
const NO_TRAILERS: IncomingHttpHeaders = {}

/** Why a connection or an answer ended; `code` says it to programs. */
export class ConnectionError extends Error {
  readonly code: string

  constructor(code: 'CONNECTION_CLOSED' | 'CONNECT_TIMEOUT' | 'BODY_TIMEOUT', message: string) {
    super(message)
    this.code = code
  }
}

export interface Origin {
  readonly hostname: string
  readonly port: number
  /** As the Host header says it. */
  readonly host: string
}

export interface Exchanged {
  readonly parts: Omit<RequestParts, 'host'>
  readonly handler: Dispatcher.DispatchHandler
  /** Longest silence within a body; 0: none is too long. */
  readonly idleMs: number
}

export interface ConnectionHooks {
  readonly clock: Clock
  readonly onConnected: (connection: Connection) => void
  /** May be given the next request. */
  readonly onIdle: (connection: Connection) => void
  /** `error`: why no connection came about. */
  readonly onClosed: (connection: Connection, error: Error | null) => void
}

export class Connection implements AnswerSink, Dispatcher.DispatchController {
  readonly #origin: Origin
  readonly #hooks: ConnectionHooks
  readonly #socket: Socket
  readonly #parser = new AnswerParser(this)
  readonly #cancelConnect: Cancel
  #connected = false
  #closed = false
  #error: Error | null = null
  #current: Exchanged | null = null
  #written = false
  /** Whether a body is still being written. */
  #sending = false
  #lastByteMs = 0
  #cancelIdle: Cancel | null = null
  paused = false
  /** Since when it waits for a request. */
  idleSinceMs = 0

  constructor(origin: Origin, hooks: ConnectionHooks) {
    this.#origin = origin
    this.#hooks = hooks
    this.#socket = connect({
      host: origin.hostname,
      port: origin.port,
      noDelay: true,
      keepAlive: true,
      onread: { buffer: scratch, callback: (count) => this.#read(count) },
    })
    this.#cancelConnect = hooks.clock.after(CONNECT_MS_MAX, () =>
      this.#socket.destroy(new ConnectionError('CONNECT_TIMEOUT', 'no connection in time')),
    )
    this.#socket
      .once('connect', () => this.#onConnect())
      .once('end', () => this.#onEnd())
      .on('error', (error) => (this.#error ??= error))
      .once('close', () => this.#onClose())
  }

  /** How long the backend keeps it, by its own word; null: it did not say. */
  get keepAliveS(): number | null {
    return this.#parser.keepAliveS
  }

  get aborted(): boolean {
    return this.#error !== null
  }

  get reason(): Error | null {
    return this.#error
  }

  /** Writes a request; only while it is idle. */
  send(exchanged: Exchanged): void {
    const { handler, parts } = exchanged
    this.#current = exchanged
    this.paused = false
    this.#written = false
    this.#sending = false
    this.#parser.expect(parts.method)
    try {
      handler.onRequestStart?.(this, {})
      // It may have been given up by then.
      if (this.#current !== exchanged) return
      const pieces = requestBytes({ host: this.#origin.host, ...parts })
      this.#written = true
      this.#write(pieces)
      if (parts.body && !Buffer.isBuffer(parts.body)) this.#sendPieces(exchanged, parts.body)
    } catch (error) {
      this.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }

  /**
   * Ends the request by `onResponseError(reason)`, and the connection with it unless nothing was
   * written.
   */
  abort(reason: Error): void {
    if (this.#written || !this.#current || this.#socket.destroyed) {
      this.#error ??= reason
      return this.destroy()
    }
    this.#fail(reason)
    this.#hooks.onIdle(this)
  }

  pause(): void {
    this.paused = true
    this.#socket.pause()
  }

  resume(): void {
    this.paused = false
    this.#lastByteMs = this.#hooks.clock.monotonicMs()
    this.#socket.resume()
  }

  destroy(): void {
    this.#socket.destroy()
    // Not only with the socket's own event: who waits must not wait for a turn of the loop.
    this.#fail(this.#error ?? new ConnectionError('CONNECTION_CLOSED', 'the connection is closed'))
  }

  onHead(status: number, headers: IncomingHttpHeaders): void {
    this.#current?.handler.onResponseStart?.(this, status, headers)
  }

  onBody(bytes: Buffer): void {
    // The scratch is read into again before a slow client has taken this.
    this.#current?.handler.onResponseData?.(this, Buffer.from(bytes))
  }

  #write(pieces: readonly Buffer[]): void {
    const [first, second] = pieces
    if (!first) return
    if (!second) return void this.#socket.write(first)
    this.#socket.cork()
    this.#socket.write(first)
    this.#socket.write(second)
    this.#socket.uncork()
  }

  #sendPieces(exchanged: Exchanged, body: AsyncIterable<Buffer>): void {
    this.#sending = true
    const { headers } = exchanged.parts
    const isOver = () => this.#current !== exchanged
    sendPieces(this.#socket, { body, headers, isOver }).then(
      (whole) => {
        if (whole && !isOver()) this.#sending = false
      },
      (error: unknown) => {
        if (!isOver()) this.abort(error instanceof Error ? error : new Error(String(error)))
      },
    )
  }

  #read(count: number): boolean {
    const current = this.#current
    // Nobody asked: whatever it is, it must not be taken for the next answer.
    if (!current || this.#error) {
      this.destroy()
      return false
    }
    try {
      const taken = this.#parser.read(scratch.subarray(0, count))
      if (this.#current !== current) return true
      if (this.#parser.done) this.#finish(taken < count)
      else this.#watch(current)
    } catch (error) {
      this.abort(error instanceof Error ? error : new Error(String(error)))
    }
    return !this.#closed
  }

  /** `dirty`: something stands behind the answer. */
  #finish(dirty: boolean): void {
    const current = this.#current
    if (!current) return
    this.#current = null
    this.#unwatch()
    const whole = this.#socket.writableLength === 0 && !this.#sending
    const reusable = this.#parser.keepAlive && whole && !dirty && !this.#socket.readableEnded
    // Before the handler: it may have the next request at hand.
    if (this.paused) this.#socket.resume()
    this.paused = false
    if (reusable && !this.#socket.destroyed) {
      this.idleSinceMs = this.#hooks.clock.monotonicMs()
      this.#hooks.onIdle(this)
    } else this.#socket.destroy()
    current.handler.onResponseEnd?.(this, NO_TRAILERS)
  }

  /** One timer an answer, set anew only when it runs out. */
  #watch({ idleMs }: Exchanged): void {
    if (idleMs === 0 || !this.#parser.inBody) return
    this.#lastByteMs = this.#hooks.clock.monotonicMs()
    this.#cancelIdle ??= this.#hooks.clock.after(idleMs, () => this.#checkIdle(idleMs))
  }

  #checkIdle(idleMs: number): void {
    const nowMs = this.#hooks.clock.monotonicMs()
    // Who does not read hears nothing: that is the client's silence.
    const restMs = this.paused ? idleMs : this.#lastByteMs + idleMs - nowMs
    if (restMs <= 0) {
      return this.abort(new ConnectionError('BODY_TIMEOUT', `silent for ${idleMs} ms`))
    }
    this.#cancelIdle = this.#hooks.clock.after(restMs, () => this.#checkIdle(idleMs))
  }

  #unwatch(): void {
    this.#cancelIdle?.()
    this.#cancelIdle = null
  }

  #onConnect(): void {
    this.#connected = true
    this.#cancelConnect()
    this.#hooks.onConnected(this)
  }

  /** The backend says nothing more. */
  #onEnd(): void {
    if (!this.#current || this.#error) return void this.#socket.destroy()
    try {
      this.#parser.end()
      this.#finish(true)
    } catch {
      this.abort(new ConnectionError('CONNECTION_CLOSED', 'the backend closed the connection'))
    }
  }

  #onClose(): void {
    if (this.#closed) return
    this.#closed = true
    this.#cancelConnect()
    const error =
      this.#error ?? new ConnectionError('CONNECTION_CLOSED', 'the connection is closed')
    this.#fail(error)
    this.#hooks.onClosed(this, this.#connected ? null : error)
  }

  #fail(error: Error): void {
    const current = this.#current
    if (!current) return
    this.#current = null
    this.#unwatch()
    current.handler.onResponseError?.(this, error)
  }
}
