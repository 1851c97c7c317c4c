import { type IncomingHttpHeaders } from 'node:http'
import {
  type AnswerContext,
  type ChatCodec,
  jsonOf,
  type StreamPart,
  type StreamReader,
  type StreamWriter,
  type Usage,
} from '@signalbox/dialects'
import type { Dispatcher } from 'undici'
import { AlreadyTold } from './exchange.ts'
import { saidOnce } from './headers.ts'

/** Of an answer that is no stream, and is translated whole. */
const ANSWER_BYTES_MAX = 64 * 1_024 * 1_024
const ERROR_STATUS_MIN = 400

export interface Crossing {
  /** The client's. */
  readonly from: ChatCodec
  /** The backend's. */
  readonly to: ChatCodec
  readonly context: AnswerContext
  readonly requestId: string
  /** Told what the answer cost; the last one counts. */
  readonly counted: (usage: Usage) => void
}

interface Head {
  readonly status: number
  readonly headers: IncomingHttpHeaders
}

/**
 * Stands between the connection and the relay, and is to the relay what a backend of the client's
 * dialect would be: so back-pressure, time-outs, the check of the last event and the error event
 * are the relay's, as ever. A stream is handed on chunk by chunk; any other answer when it is
 * whole. A stream that is not whole gets no terminal event, and the relay breaks it.
 */
export class TranslatedAnswer implements Dispatcher.DispatchHandler {
  readonly #relay: Dispatcher.DispatchHandler
  readonly #crossing: Crossing
  #reader: StreamReader | undefined
  #writer: StreamWriter | undefined
  #head: Head | undefined
  #parts: Buffer[] = []
  #bytes = 0
  #broken = false
  /** The relay has heard of the end. */
  #over = false

  constructor(relay: Dispatcher.DispatchHandler, crossing: Crossing) {
    this.#relay = relay
    this.#crossing = crossing
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#relay.onRequestStart?.(controller, context)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    if (status < 200) return
    saidOnce(headers)
    const { from, to, context } = this.#crossing
    const type = (headers['content-type'] ?? '').toLowerCase()
    if (status !== 200 || !type.startsWith(to.streamType)) {
      this.#head = { status, headers }
      return
    }
    this.#reader = to.streamReader(context)
    this.#writer = from.streamWriter(context)
    const out = { ...uncounted(headers), 'content-type': from.streamType }
    this.#relay.onResponseStart?.(controller, status, out)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#broken) return
    if (this.#reader) {
      const broken = this.#hand(controller, this.#reader.read(chunk))
      if (broken) controller.abort(broken)
      return
    }
    this.#bytes += chunk.length
    if (this.#bytes <= ANSWER_BYTES_MAX) this.#parts.push(chunk)
    else controller.abort(this.#break('the answer is too large to be translated'))
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    if (this.#broken) return
    if (!this.#reader || !this.#writer) return this.#whole(controller, trailers)
    const broken = this.#hand(controller, this.#reader.end())
    // Nothing is left to abort: the relay hears of it here, and of no end after it.
    if (broken) return this.onResponseError(controller, broken)
    if (this.#reader.whole) this.#write(controller, this.#writer.end())
    this.#over = true
    this.#relay.onResponseEnd?.(controller, trailers)
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#over) return
    this.#over = true
    this.#relay.onResponseError?.(controller, error)
  }

  /** Hands on what can be said in the client's dialect; the error that ends it, where one does. */
  #hand(
    controller: Dispatcher.DispatchController,
    parts: readonly StreamPart[],
  ): Error | undefined {
    let text = ''
    for (const part of parts) {
      if (part.kind === 'failed') {
        const { from, requestId } = this.#crossing
        this.#write(controller, text + from.writeStreamError(part.error, requestId))
        this.#broken = true
        return new AlreadyTold('the backend reported a failure inside its stream')
      }
      if (part.chunk.usage) this.#crossing.counted(part.chunk.usage)
      const written = this.#writer?.write(part.chunk)
      if (written?.ok === false) {
        this.#write(controller, text)
        return this.#break(`${written.error.field} ${written.error.message}`)
      }
      text += written?.value ?? ''
    }
    this.#write(controller, text)
    return undefined
  }

  #write(controller: Dispatcher.DispatchController, text: string): void {
    if (text !== '') this.#relay.onResponseData?.(controller, Buffer.from(text))
  }

  /** The attempt ends; the relay hears of it as of any broken connection. */
  #break(why: string): Error {
    this.#broken = true
    return new Error(why)
  }

  #whole(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    if (!this.#head) return
    const { status, headers } = this.#head
    const text = this.#translate(status, Buffer.concat(this.#parts).toString())
    if (text === undefined) {
      const error = new Error('the answer cannot be read in the dialect of the backend')
      return this.onResponseError(controller, error)
    }
    const body = Buffer.from(text)
    const out = {
      ...uncounted(headers),
      'content-type': 'application/json',
      'content-length': String(body.length),
    }
    this.#relay.onResponseStart?.(controller, status, out)
    this.#relay.onResponseData?.(controller, body)
    this.#over = true
    this.#relay.onResponseEnd?.(controller, trailers)
  }

  #translate(status: number, text: string): string | undefined {
    const { from, to, context, requestId, counted } = this.#crossing
    const body = jsonOf(text)
    if (status >= ERROR_STATUS_MIN) {
      return from.writeError(to.readError(status, body ?? text), requestId)
    }
    const answer = to.readAnswer(body, context)
    if (!answer.ok) return undefined
    if (answer.value.usage) counted(answer.value.usage)
    return from.writeAnswer(answer.value)
  }
}

/** Of the translated body neither the length nor the coding is the backend's. */
function uncounted(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const { 'content-length': _length, 'content-encoding': _coding, ...rest } = headers
  return rest
}
