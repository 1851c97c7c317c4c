import { type IncomingHttpHeaders } from 'node:http'

/*
 * An HTTP/1.1 answer out of the bytes of a connection, piece by piece (RFC 9112):
 *
 *     head -> body by length | body in chunks | body to the end of the connection -> done
 *
 * Stricter than the standard asks: lines end in CRLF, a header is one line, its name is a token,
 * and whoever gives two lengths, or a length and chunks, is refused. Where two readers of the same
 * bytes could disagree about where an answer ends, the next answer could be another client's.
 */

export const HEAD_BYTES_MAX = 65_536
const CHUNK_LINE_BYTES_MAX = 4_096
const TRAILER_BYTES_MAX = 16_384
const INTERIM_MAX = 32
const CR = 13
const LF = 10
const CRLF = '\r\n'
const HEAD_END = Buffer.from('\r\n\r\n')
const NOTHING = Buffer.alloc(0)

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const VALUE = '[\\t\\x20-\\x7e\\x80-\\xff]*'
const HEAD = new RegExp(`^HTTP/1\\.[01] [1-9]\\d\\d(?: ${VALUE})?(?:\\r\\n${TOKEN}:${VALUE})*$`)
const QUOTED = '"(?:[\\t \\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[\\t\\x20-\\x7e\\x80-\\xff])*"'
const CHUNK_LINE = new RegExp(`^([0-9A-Fa-f]{1,13})(?:;${TOKEN}(?:=(?:${TOKEN}|${QUOTED}))?)*$`)
const TRAILER = new RegExp(`^${TOKEN}:${VALUE}$`)
const LENGTH = /^\d{1,15}$/
const CLOSE = /(?:^|,)[\t ]*close[\t ]*(?:,|$)/i
const KEEP_ALIVE = /(?:^|,)[\t ]*keep-alive[\t ]*(?:,|$)/i

/** The backend does not speak HTTP/1.1, or not so that its end is certain. */
export class MalformedAnswer extends Error {
  readonly code = 'MALFORMED_ANSWER'
}

export interface AnswerSink {
  onHead(status: number, headers: IncomingHttpHeaders): void
  /** Bytes of the body: valid only while it is called, unless copied. */
  onBody(bytes: Buffer): void
}

type State = 'head' | 'length' | 'size' | 'chunk' | 'chunk-end' | 'trailers' | 'to-end' | 'done'

/** Throws MalformedAnswer, and what its sink throws; after that it must not be used again. */
export class AnswerParser {
  readonly #sink: AnswerSink
  #state: State = 'done'
  #hasBody = true
  /** What is left of a line or of a head from the read before. */
  #kept: Buffer = NOTHING
  /** Bytes that are left of a body or of a chunk. */
  #left = 0
  #trailerBytes = 0
  #interim = 0
  /** Whether another request may follow on the connection. */
  keepAlive = false
  /** For how long the backend says that it keeps an idle connection; null: it does not say. */
  keepAliveS: number | null = null
  /** Whether any byte of an answer has come. */
  begun = false

  constructor(sink: AnswerSink) {
    this.#sink = sink
  }

  get done(): boolean {
    return this.#state === 'done'
  }

  /** Whether the head is through: what comes now is the body. */
  get inBody(): boolean {
    return this.#state !== 'head' && this.#state !== 'done'
  }

  /** The next answer is one to this method. */
  expect(method: string): void {
    this.#state = 'head'
    this.#hasBody = method !== 'HEAD'
    this.#kept = NOTHING
    this.#interim = 0
    this.begun = false
  }

  /** Takes bytes up to the end of the answer; answers how many. */
  read(bytes: Buffer): number {
    let at = 0
    if (bytes.length > 0) this.begun = true
    while (at < bytes.length && this.#state !== 'done') at = this.#step(bytes, at)
    return at
  }

  /** The connection has ended: throws where that is not the end of the answer. */
  end(): void {
    if (this.#state !== 'to-end') throw new MalformedAnswer('the connection ended in an answer')
    this.#state = 'done'
  }

  #step(bytes: Buffer, at: number): number {
    switch (this.#state) {
      case 'head':
        return this.#readHead(bytes, at)
      case 'length':
      case 'chunk':
        return this.#readCounted(bytes, at)
      case 'to-end':
        this.#sink.onBody(at === 0 ? bytes : bytes.subarray(at))
        return bytes.length
      default:
        return this.#readLine(bytes, at)
    }
  }

  #readHead(bytes: Buffer, at: number): number {
    const kept = this.#kept.length
    const all = kept === 0 ? bytes : Buffer.concat([this.#kept, bytes.subarray(at)])
    const from = kept === 0 ? at : 0
    // An end may have begun in what was kept.
    const end = all.indexOf(HEAD_END, kept === 0 ? at : Math.max(0, kept - HEAD_END.length))
    if ((end < 0 ? all.length : end) - from > HEAD_BYTES_MAX) {
      throw new MalformedAnswer(`a head of more than ${HEAD_BYTES_MAX} bytes`)
    }
    if (end < 0) {
      this.#kept = kept === 0 ? Buffer.from(all.subarray(from)) : all
      return bytes.length
    }
    this.#kept = NOTHING
    this.#takeHead(all.toString('latin1', from, end))
    const after = end + HEAD_END.length
    return kept === 0 ? after : at + after - kept
  }

  #takeHead(text: string): void {
    if (!HEAD.test(text)) throw new MalformedAnswer('a head that is none')
    const status = Number(text.slice(9, 12))
    if (status < 200) {
      this.#interim += 1
      if (status === 101 || this.#interim > INTERIM_MAX) {
        throw new MalformedAnswer(`an answer ${status} that was not asked for`)
      }
      return
    }
    const headers = parseHeaders(text)
    this.#state = this.#framing(status, headers, text.charCodeAt(7) === 0x31)
    this.#sink.onHead(status, headers)
  }

  /** How the body ends (RFC 9112, 6.3). */
  #framing(status: number, headers: IncomingHttpHeaders, is11: boolean): State {
    const { connection = '', 'content-length': length, 'transfer-encoding': encoding } = headers
    const said = one(connection)
    this.keepAlive = is11 ? !CLOSE.test(said) : KEEP_ALIVE.test(said)
    this.keepAliveS = keepAliveSeconds(headers['keep-alive'])
    const chunked = typeof encoding === 'string' && encoding.toLowerCase() === 'chunked'
    if (encoding !== undefined && (!chunked || !is11)) {
      throw new MalformedAnswer('a transfer-encoding that is not chunked')
    }
    if (length !== undefined && (encoding !== undefined || !LENGTH.test(one(length)))) {
      throw new MalformedAnswer('a content-length that is none, or one too many')
    }
    if (!this.#hasBody || status === 204 || status === 304) return 'done'
    if (chunked) return 'size'
    if (length !== undefined) {
      this.#left = Number(length)
      return this.#left > 0 ? 'length' : 'done'
    }
    this.keepAlive = false
    return 'to-end'
  }

  #readCounted(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#left)
    this.#left -= end - at
    const last = this.#left === 0
    const inChunk = this.#state === 'chunk'
    if (last) this.#state = inChunk ? 'chunk-end' : 'done'
    this.#sink.onBody(bytes.subarray(at, end))
    return end
  }

  /** A line of the framing: a chunk's size, its end, a trailer. */
  #readLine(bytes: Buffer, at: number): number {
    const lf = bytes.indexOf(LF, at)
    const end = lf < 0 ? bytes.length : lf + 1
    const part = bytes.subarray(at, end)
    const line = this.#kept.length === 0 ? part : Buffer.concat([this.#kept, part])
    if (line.length > CHUNK_LINE_BYTES_MAX) throw new MalformedAnswer('a line without an end')
    if (lf < 0) {
      this.#kept = Buffer.from(line)
      return end
    }
    this.#kept = NOTHING
    if (line[line.length - 2] !== CR) throw new MalformedAnswer('a line that does not end in CRLF')
    this.#takeLine(line.toString('latin1', 0, line.length - 2))
    return end
  }

  #takeLine(line: string): void {
    switch (this.#state) {
      case 'size': {
        const size = CHUNK_LINE.exec(line)?.[1]
        if (size === undefined) throw new MalformedAnswer('a chunk without a size')
        this.#left = Number.parseInt(size, 16)
        this.#trailerBytes = 0
        this.#state = this.#left > 0 ? 'chunk' : 'trailers'
        return
      }
      case 'chunk-end':
        if (line !== '') throw new MalformedAnswer('a chunk that is longer than its size')
        this.#state = 'size'
        return
      default:
        if (line === '') {
          this.#state = 'done'
          return
        }
        this.#trailerBytes += line.length
        if (this.#trailerBytes > TRAILER_BYTES_MAX || !TRAILER.test(line)) {
          throw new MalformedAnswer('trailers that are none')
        }
    }
  }
}

/** Of a head that HEAD has matched. Names in lower case; what comes twice is a list. */
function parseHeaders(text: string): IncomingHttpHeaders {
  const headers = Object.create(null) as Record<string, string | string[]>
  let at = text.indexOf(CRLF)
  while (at >= 0) {
    const from = at + CRLF.length
    const next = text.indexOf(CRLF, from)
    const colon = text.indexOf(':', from)
    const name = text.slice(from, colon).toLowerCase()
    const value = trimmed(text, colon + 1, next < 0 ? text.length : next)
    const before = headers[name]
    if (before === undefined) headers[name] = value
    else if (typeof before === 'string') headers[name] = [before, value]
    else before.push(value)
    at = next
  }
  return headers
}

function trimmed(text: string, from: number, to: number): string {
  const isBlank = (at: number) => text.charCodeAt(at) === 0x20 || text.charCodeAt(at) === 0x09
  while (from < to && isBlank(from)) from++
  while (to > from && isBlank(to - 1)) to--
  return text.slice(from, to)
}

/** A list in lines of its own is the same list. */
function one(value: string | string[]): string {
  return typeof value === 'string' ? value : value.join(',')
}

function keepAliveSeconds(value: string | string[] | undefined): number | null {
  const seconds = /(?:^|[,;\t ])timeout=(\d{1,6})/i.exec(one(value ?? ''))?.[1]
  return seconds === undefined ? null : Number(seconds)
}
