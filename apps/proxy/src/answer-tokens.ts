import { type IncomingHttpHeaders } from 'node:http'
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib'
import {
  type Dialect,
  type StreamEnd,
  TOKENS_HEAD_BYTES,
  TOKENS_STREAM_TAIL_BYTES,
  TOKENS_TAIL_BYTES,
} from '@signalbox/dialects'
import { type Tokens } from '@signalbox/model'
import { LastBytes } from './last-bytes.ts'

/** Of an answer that came compressed, and is looked at in clear. */
const CLEAR_BYTES_MAX = 256 * 1_024
const LF = 0x0a

export interface Answering {
  /** What the client is answered in. */
  readonly dialect: Dialect
  readonly streamEnd?: (() => StreamEnd) | undefined
}

/** Keeps what is needed of an answer to count its tokens, and to see whether it came whole. */
export class AnswerTokens {
  readonly #dialect: Dialect
  readonly #events: boolean
  readonly #encoding: string
  readonly #last: LastBytes
  readonly #end: StreamEnd | undefined
  #head: Buffer = Buffer.alloc(0)
  #bytes = 0

  constructor({ dialect, streamEnd }: Answering, headers: IncomingHttpHeaders, events: boolean) {
    this.#dialect = dialect
    if (events) this.#end = streamEnd?.()
    this.#events = events
    this.#encoding = (headers['content-encoding'] ?? 'identity').toLowerCase()
    const tailBytes = events ? TOKENS_STREAM_TAIL_BYTES : TOKENS_TAIL_BYTES
    this.#last = new LastBytes(Math.max(tailBytes, dialect.tailBytes))
  }

  add(chunk: Buffer): void {
    if (this.#events && this.#head.length < TOKENS_HEAD_BYTES) {
      const more = chunk.subarray(0, TOKENS_HEAD_BYTES - this.#head.length)
      this.#head = this.#head.length === 0 ? more : Buffer.concat([this.#head, more])
    }
    this.#bytes += chunk.length
    this.#last.add(chunk)
    this.#end?.add(chunk)
  }

  endsWell(): boolean {
    if (this.#end?.isWhole) return true
    return this.#dialect.endsWell(this.#last.bytes(this.#dialect.tailBytes))
  }

  /** Whether what came last ends its line, or nothing came. */
  get isAtLineStart(): boolean {
    const [last = LF] = this.#last.bytes(1)
    return last === LF
  }

  read(): Tokens | undefined {
    const tail = this.#clear(this.#last.bytes())
    return tail && this.#dialect.readTokens({ head: this.#head, tail, events: this.#events })
  }

  /** The last bytes of it, and of how many. */
  sample(bytesMax: number): { readonly bytes: Buffer; readonly whole: number } | undefined {
    if (this.#encoding !== 'identity' || this.#bytes === 0) return undefined
    return { bytes: this.#last.bytes(bytesMax), whole: this.#bytes }
  }

  /** Of a compressed answer nothing can be read unless all of it is there. */
  #clear(tail: Buffer): Buffer | undefined {
    if (this.#encoding === 'identity') return tail
    const open = Object.hasOwn(OPENERS, this.#encoding) ? OPENERS[this.#encoding] : undefined
    if (!open || this.#bytes > tail.length) return undefined
    try {
      return open(tail, { maxOutputLength: CLEAR_BYTES_MAX })
    } catch {
      return undefined
    }
  }
}

const OPENERS: Readonly<Record<string, typeof gunzipSync>> = {
  gzip: gunzipSync,
  deflate: inflateSync,
  br: brotliDecompressSync,
}
