import { type Result } from '@signalbox/model'
import {
  type AnswerContext,
  type ChatAnswer,
  type ChatChunk,
  type ChatRequest,
  type UpstreamError,
} from './chat.ts'
import { type Json, type Leniency, type Problem } from './fields.ts'
import { type SseEvent, SseReader } from './sse.ts'

/** What a request says outside of its body. */
export interface Call extends Leniency {
  /** From the path, where the dialect has it there. */
  readonly model?: string
  readonly stream?: boolean
}

export interface ReadRequest {
  readonly chat: ChatRequest
  readonly dropped: readonly string[]
}

export interface WrittenRequest {
  /** As clients write it, for upstreamPath(). */
  readonly path: string
  readonly body: Json
  readonly dropped: readonly string[]
}

/** How a dialect is translated to and from the hub (chat.ts). Without state. */
export interface ChatCodec {
  readRequest(body: unknown, call: Call): Result<ReadRequest, Problem>
  writeRequest(chat: ChatRequest, leniency: Leniency): Result<WrittenRequest, Problem>
  readAnswer(body: unknown, context: AnswerContext): Result<ChatAnswer, Problem>
  writeAnswer(answer: ChatAnswer): string
  /** `body` is what the backend sent: an object, or a text that is no JSON. */
  readError(status: number, body: unknown): UpstreamError
  writeError(error: UpstreamError, requestId: string): string
  /** The same inside a stream: a whole event. */
  writeStreamError(error: UpstreamError, requestId: string): string
  streamReader(context: AnswerContext): StreamReader
  streamWriter(context: AnswerContext): StreamWriter
  /** Content-type of a stream. */
  readonly streamType: string
}

export type StreamPart =
  | { readonly kind: 'chunk'; readonly chunk: ChatChunk }
  /** The backend said that it failed, or wrote what nobody can read. Nothing comes after it. */
  | { readonly kind: 'failed'; readonly error: UpstreamError }

/** Bytes in at any split, parts of the hub's stream out. */
export interface StreamReader {
  read(bytes: Uint8Array): readonly StreamPart[]
  /** The backend ended its answer. */
  end(): readonly StreamPart[]
  /** Whether the stream said that it is complete: a clean end of the connection does not count. */
  readonly whole: boolean
}

/** The hub's chunks in, text out. */
export interface StreamWriter {
  /** A problem where the dialect has no way to say it: the stream must break. */
  write(chunk: ChatChunk): Result<string, Problem>
  /** What ends a whole stream. Call it only for one. */
  end(): string
}

/** What a dialect does with each event of its streams. */
export interface EventTaker {
  take(event: SseEvent): readonly StreamPart[]
  readonly whole: boolean
}

export function failedPart(message: string): StreamPart {
  return {
    kind: 'failed',
    error: { status: 502, message, type: null, code: null, param: null },
  }
}

/** A stream of server-sent events, which ends at the first failure. */
export class SseStreamReader implements StreamReader {
  readonly #events = new SseReader()
  readonly #taker: EventTaker
  #failed = false

  constructor(taker: EventTaker) {
    this.#taker = taker
  }

  get whole(): boolean {
    return this.#taker.whole && !this.#failed
  }

  read(bytes: Uint8Array): readonly StreamPart[] {
    return this.#take(this.#events.read(bytes))
  }

  end(): readonly StreamPart[] {
    return this.#take(this.#events.end())
  }

  #take(events: readonly SseEvent[]): readonly StreamPart[] {
    const parts: StreamPart[] = []
    for (const event of events) {
      if (this.#failed) return parts
      for (const part of this.#taker.take(event)) {
        parts.push(part)
        if (part.kind === 'failed') this.#failed = true
      }
    }
    if (this.#events.overflowed && !this.#failed) {
      this.#failed = true
      parts.push(failedPart('an event of the stream is too long'))
    }
    return parts
  }
}
