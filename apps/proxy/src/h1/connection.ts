import { type IncomingHttpHeaders } from 'node:http'
import { connect, type LookupFunction, type Socket } from 'node:net'
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
  /** Finds the addresses of a name; the system does where it is absent. */
  readonly lookup?: LookupFunction
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

export class Connection implements AnswerSink {
  readonly #origin: Origin
  readonly #hooks: ConnectionHooks
  readonly #socket: Socket
  readonly #parser = new AnswerParser(this)
  readonly #cancelConnect: Cancel
  #connected = false
  #closed = false
  #error: Error | null = null
  #turn: Turn | null = null
  #written = false
  /** Whether a body is still being written. */
  #sending = false
  #lastByteMs = 0
  #cancelIdle: Cancel | null = null
  /** Since when it waits for a request. */
  idleSinceMs = 0

  constructor(origin: Origin, hooks: ConnectionHooks) {
    this.#origin = origin
    this.#hooks = hooks
    this.#socket = connect({
      host: origin.hostname,
      port: origin.port,
      ...(origin.lookup ? { lookup: origin.lookup } : {}),
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

  /** Whether another request may be given to it. */
  get usable(): boolean {
    return !this.#socket.destroyed && this.#error === null
  }

  /** Writes a request; only while it is idle. */
  send(exchanged: Exchanged): void {
    const { handler, parts } = exchanged
    const turn = new Turn(this, exchanged)
    this.#turn = turn
    this.#written = false
    this.#sending = false
    this.#parser.expect(parts.method)
    try {
      handler.onRequestStart?.(turn, {})
      // It may have been given up by then.
      if (turn.isOver) return
      const pieces = requestBytes({ host: this.#origin.host, ...parts })
      this.#written = true
      this.#write(pieces)
      if (parts.body && !Buffer.isBuffer(parts.body)) this.#sendPieces(turn, parts.body)
    } catch (error) {
      turn.abort(asError(error))
    }
  }

  /** Of its turn: ends the request, and the connection with it unless nothing was written. */
  abort(reason: Error): void {
    if (this.#written || !this.#turn || this.#socket.destroyed) {
      this.#error ??= reason
      return this.destroy()
    }
    this.#fail(reason)
    this.#hooks.onIdle(this)
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#lastByteMs = this.#hooks.clock.monotonicMs()
    this.#socket.resume()
  }

  destroy(): void {
    this.#socket.destroy()
    // Not only with the socket's own event: who waits must not wait for a turn of the loop.
    this.#fail(this.#error ?? new ConnectionError('CONNECTION_CLOSED', 'the connection is closed'))
  }

  onHead(status: number, headers: IncomingHttpHeaders): void {
    const turn = this.#turn
    turn?.exchanged.handler.onResponseStart?.(turn, status, headers)
  }

  onBody(bytes: Buffer): void {
    // The scratch is read into again before a slow client has taken this.
    const turn = this.#turn
    turn?.exchanged.handler.onResponseData?.(turn, Buffer.from(bytes))
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

  #sendPieces(turn: Turn, body: AsyncIterable<Buffer>): void {
    this.#sending = true
    const { headers } = turn.exchanged.parts
    sendPieces(this.#socket, { body, headers, isOver: () => turn.isOver }).then(
      (whole) => {
        if (whole && !turn.isOver) this.#sending = false
      },
      (error: unknown) => turn.abort(asError(error)),
    )
  }

  #read(count: number): boolean {
    const turn = this.#turn
    // Nobody asked: whatever it is, it must not be taken for the next answer.
    if (!turn || this.#error) {
      this.destroy()
      return false
    }
    try {
      const taken = this.#parser.read(scratch.subarray(0, count))
      if (turn.isOver) return true
      if (this.#parser.done) this.#finish(turn, taken < count)
      else this.#watch(turn)
    } catch (error) {
      turn.abort(asError(error))
    }
    return !this.#closed
  }

  /** `dirty`: something stands behind the answer. */
  #finish(turn: Turn, dirty: boolean): void {
    const { handler } = turn.exchanged
    turn.isOver = true
    this.#turn = null
    this.#unwatch()
    const whole = this.#socket.writableLength === 0 && !this.#sending
    const reusable = this.#parser.keepAlive && whole && !dirty && !this.#socket.readableEnded
    if (turn.paused) this.#socket.resume()
    // Before the handler: it may have the next request at hand.
    if (reusable && this.usable) this.#hooks.onIdle(this)
    else this.#socket.destroy()
    try {
      handler.onResponseEnd?.(turn, NO_TRAILERS)
    } catch (error) {
      handler.onResponseError?.(turn, asError(error))
    }
  }

  /** One timer an answer, set anew only when it runs out. */
  #watch(turn: Turn): void {
    const { idleMs } = turn.exchanged
    if (idleMs === 0 || !this.#parser.inBody) return
    this.#lastByteMs = this.#hooks.clock.monotonicMs()
    this.#cancelIdle ??= this.#hooks.clock.after(idleMs, () => this.#checkIdle(turn))
  }

  #checkIdle(turn: Turn): void {
    const { idleMs } = turn.exchanged
    const nowMs = this.#hooks.clock.monotonicMs()
    // Who does not read hears nothing: that is the client's silence.
    const restMs = turn.paused ? idleMs : this.#lastByteMs + idleMs - nowMs
    if (restMs <= 0) {
      return turn.abort(new ConnectionError('BODY_TIMEOUT', `silent for ${idleMs} ms`))
    }
    this.#cancelIdle = this.#hooks.clock.after(restMs, () => this.#checkIdle(turn))
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
    const turn = this.#turn
    if (!turn || this.#error) return void this.#socket.destroy()
    try {
      this.#parser.end()
      this.#finish(turn, true)
    } catch {
      turn.abort(new ConnectionError('CONNECTION_CLOSED', 'the backend closed the connection'))
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
    const turn = this.#turn
    if (!turn) return
    this.#turn = null
    turn.isOver = true
    turn.reason ??= error
    this.#unwatch()
    if (turn.paused) this.#socket.resume()
    turn.exchanged.handler.onResponseError?.(turn, error)
  }
}

/**
 * What a handler holds of its request: good for that request alone. A handler may write what it
 * held back when its answer is over; by then the connection may be another's.
 */
class Turn implements Dispatcher.DispatchController {
  readonly exchanged: Exchanged
  readonly #connection: Connection
  isOver = false
  paused = false
  reason: Error | null = null

  constructor(connection: Connection, exchanged: Exchanged) {
    this.#connection = connection
    this.exchanged = exchanged
  }

  get aborted(): boolean {
    return this.reason !== null
  }

  /** Ends the request by `onResponseError(reason)`. */
  abort(reason: Error): void {
    if (this.isOver) return
    this.reason ??= reason
    this.#connection.abort(reason)
  }

  pause(): void {
    if (this.isOver) return
    this.paused = true
    this.#connection.pause()
  }

  resume(): void {
    if (this.isOver) return
    this.paused = false
    this.#connection.resume()
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
