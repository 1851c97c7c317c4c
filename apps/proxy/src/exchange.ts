import { type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import { type Clock } from '@signalbox/host'
import { type Failure, type Tokens } from '@signalbox/model'
import { type Outcome, retryAfterMs } from '@signalbox/routing'
import type { Dispatcher } from 'undici'
import { type Answering, AnswerTokens } from './answer-tokens.ts'
import { type Placed } from './bag.ts'
import { breakOff } from './break-off.ts'
import { type Recorder } from './cache/recorder.ts'
import { internal, NOT_CONNECTED, upstreamFailure } from './failures.ts'
import { addResponseHeaders, isReadableStream, saidOnce } from './headers.ts'
import { type KeepAlive } from './keep-alive.ts'

/** A longer answer than this is broken off: a new connection costs less. */
const DISMISSED_BYTES_MAX = 65_536
/** Of an error that is told in a stream. */
const REFUSAL_BYTES_MAX = 65_536
/** An answer that is not passed on is read so long, for its connection's sake. */
const DISMISSED_MS_MAX = 1_000

const LOST = internal('proxy_error', 'another backend answered first')

/** A stream was broken off after its error event had been written. */
export class AlreadyTold extends Error {
  override readonly name = 'AlreadyTold'
}

export interface ExchangeOptions extends Answering {
  readonly response: ServerResponse
  readonly clock: Clock
  readonly requestId: string
  /** Headers that the client's answer carries whatever the backend says: name, value ... */
  readonly ownHeaders: readonly string[]
  /** Notes what the client gets, for others who ask the same. */
  readonly recorder: Recorder | undefined
  /** Called once, with milliseconds since the start of the attempt. */
  readonly onFirstByte: (ms: number, status: number, retryAfter: string | undefined) => void
  readonly onGap: (ms: number) => void
  /** It was given to a connection. */
  readonly onConnected?: (() => void) | undefined
  /** Whether an answer of this status is not passed on, because another attempt follows. */
  readonly dismisses: (status: number) => boolean
  /** Whether this answer is the client's, where another attempt may have been quicker. */
  readonly wins?: ((status: number) => boolean) | undefined
  /** Keeps the client's connection alive until an answer begins. */
  readonly keepAlive?: KeepAlive | undefined
  readonly finish: (outcome: Outcome) => void
  /** The connection has nothing more to do with it. May come long after `finish`. */
  readonly released: () => void
}

/**
 * One attempt: receives the backend's answer and writes it to the client as it comes. Back-pressure
 * is a return value: a write that says false pauses the backend, `drain` resumes it. An answer that
 * does not end as its dialect says it must ends in an error event and a connection that breaks:
 * SDKs take a clean end for success.
 */
export class Exchange implements Dispatcher.DispatchHandler, Placed {
  readonly #options: ExchangeOptions
  readonly #startMs: number
  #controller: Dispatcher.DispatchController | undefined
  #aborted: Error | undefined
  #failure: Failure | undefined
  #started = false
  #begun = false
  #settled = false
  #streams = false
  #lastChunkMs = 0
  /** Where the answer may say what it cost, or can be seen to be whole. */
  #counted: AnswerTokens | undefined
  /** Bytes of an answer that is not passed on; undefined where it is. */
  #dismissed: number | undefined
  /** Stops waiting for the rest of it. */
  #forget = () => {}
  /** An answer that is no stream, where the client has the head of one. */
  #refusal: { readonly status: number; readonly parts: Buffer[]; bytes: number } | undefined
  /** The client has been told of the failure in the stream itself. */
  #told = false
  bytes = 0
  place = -1

  constructor(options: ExchangeOptions) {
    this.#options = options
    this.#startMs = options.clock.monotonicMs()
  }

  /** Ends the attempt from our side: the client left, a deadline passed, a drain is over. */
  abort(failure: Failure): void {
    if (this.#settled) return
    this.#failure = failure
    this.#aborted = new Error(failure.code)
    if (this.#controller) this.#controller.abort(this.#aborted)
    else this.#fail(failure)
  }

  /** Time to connect is over. Nothing is sent where no connection has been made. */
  connectLate(): void {
    if (!this.#started) this.abort(NOT_CONNECTED)
  }

  /** The client reads again. */
  resume(): void {
    if (this.#controller?.paused) this.#controller.resume()
  }

  /** What the answer says that it cost, in its client's dialect. */
  tokens(): Tokens | undefined {
    return this.#counted?.read()
  }

  /** Some of what the answer says, where it may say what it cost. */
  sample(bytesMax: number): ReturnType<AnswerTokens['sample']> {
    return this.#counted?.sample(bytesMax)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    this.#started = true
    this.#options.onConnected?.()
    if (this.#aborted) controller.abort(this.#aborted)
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    if (status < 200) return
    saidOnce(headers)
    const { response, ownHeaders, clock, onFirstByte, dismisses, recorder } = this.#options
    const nowMs = clock.monotonicMs()
    if (dismisses(status)) return this.#dismiss(status, one(headers['retry-after']))
    if (this.#options.wins?.(status) === false) return this.abort(LOST)
    this.#lastChunkMs = nowMs
    this.#streams = isReadableStream(status, headers, this.#options.dialect)
    this.#options.keepAlive?.stop()
    const waited = response.headersSent
    if (waited && !this.#streams) return this.#refuse(status, headers)
    const out = [...ownHeaders]
    // A stream may get an event more than the backend counted, and then the break must show.
    const { 'content-length': _counted, ...uncounted } = headers
    addResponseHeaders(out, this.#streams ? uncounted : headers)
    // Throws for a status or a value that HTTP does not allow: then the client has nothing yet.
    if (!waited) response.writeHead(status, out)
    this.#begun = true
    recorder?.head(status, out.slice(ownHeaders.length))
    if (this.#streams || isJsonAnswer(status, headers)) {
      this.#counted = new AnswerTokens(this.#options, headers, this.#streams)
    }
    if (this.#streams) response.flushHeaders()
    onFirstByte(nowMs - this.#startMs, status, one(headers['retry-after']))
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#dismissed !== undefined) {
      this.#dismissed += chunk.length
      if (this.#dismissed > DISMISSED_BYTES_MAX) controller.abort(new Error('dismissed'))
      return
    }
    if (this.#refusal) return this.#gather(this.#refusal, chunk)
    const { response, clock, onGap, recorder } = this.#options
    this.bytes += chunk.length
    if (this.#streams) {
      const nowMs = clock.monotonicMs()
      onGap(nowMs - this.#lastChunkMs)
      this.#lastChunkMs = nowMs
    }
    this.#counted?.add(chunk)
    recorder?.chunk(chunk)
    if (!response.write(chunk) && !recorder?.hurries) controller.pause()
  }

  onResponseEnd(): void {
    const { response, released, recorder } = this.#options
    released()
    this.#forget()
    if (this.#dismissed !== undefined) return
    if (this.#refusal) return this.#tell(this.#refusal)
    if (this.#streams && !this.#counted?.endsWell()) {
      const begun = { started: true, begun: true }
      return this.#fail(upstreamFailure(new Error('end without a terminal event'), begun))
    }
    response.end()
    recorder?.end()
    this.#settle({ kind: 'answered' })
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#options.released()
    this.#forget()
    this.#told = error instanceof AlreadyTold
    const facts = { started: this.#started, begun: this.#begun }
    this.#fail(this.#failure ?? upstreamFailure(error, facts))
  }

  /** The rest of the answer is read and forgotten, so that its connection can be used again. */
  #dismiss(status: number, retryAfter: string | undefined): void {
    const failure: Failure = {
      code: 'upstream_busy',
      source: 'upstream',
      nothingSent: true,
      message: `the backend answered ${status}`,
    }
    this.#dismissed = 0
    // Its own retry may wait for this very connection.
    const end = () => this.#controller?.abort(new Error('dismissed'))
    this.#forget = this.#options.clock.after(DISMISSED_MS_MAX, end)
    const askedMs = retryAfterMs(retryAfter)
    this.#settle({ kind: 'failed', failure, begun: false, status, askedMs })
  }

  /** The status is out: what the backend says against the request is told in the stream. */
  #refuse(status: number, headers: IncomingHttpHeaders): void {
    const { clock, onFirstByte } = this.#options
    this.#refusal = { status, parts: [], bytes: 0 }
    this.#begun = true
    this.#streams = true
    onFirstByte(clock.monotonicMs() - this.#startMs, status, one(headers['retry-after']))
  }

  #gather(refusal: { readonly parts: Buffer[]; bytes: number }, chunk: Buffer): void {
    refusal.bytes += chunk.length
    if (refusal.bytes <= REFUSAL_BYTES_MAX) refusal.parts.push(chunk)
    else this.#controller?.abort(new Error('too long'))
  }

  #tell({ status, parts }: { readonly status: number; readonly parts: Buffer[] }): void {
    const { response, dialect, requestId } = this.#options
    const { chat } = dialect
    const refused = status >= 400
    const source = status >= 400 && status < 500 ? 'downstream' : 'upstream'
    const message = refused ? `the backend answered ${status}` : 'the backend answered no stream'
    if (refused) {
      const error = chat.readError(status, parsed(Buffer.concat(parts).toString()))
      response.write(chat.writeStreamError(error, requestId))
      this.#told = true
    }
    this.#fail({ code: 'stream_refused', source, nothingSent: false, message })
  }

  #fail(failure: Failure): void {
    if (this.#settled) return
    if (this.#begun) this.#breakOff(failure)
    this.#settle({ kind: 'failed', failure, begun: this.#begun })
  }

  /**
   * Says in the stream what happened where it is one, then breaks the connection: no final chunk.
   */
  #breakOff(failure: Failure): void {
    const { response, dialect, clock, requestId } = this.#options
    if (!this.#streams) return void response.socket?.destroy()
    const atLineStart = this.#counted?.isAtLineStart ?? true
    const event = this.#told ? undefined : dialect.streamError(failure, requestId, atLineStart)
    breakOff(response, clock, event)
  }

  #settle(outcome: Outcome): void {
    if (this.#settled) return
    this.#settled = true
    this.#options.finish(outcome)
  }
}

/** An answer that may say what it cost. */
function isJsonAnswer(status: number, { 'content-type': type = '' }: IncomingHttpHeaders): boolean {
  return status === 200 && type.toLowerCase().startsWith('application/json')
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}
