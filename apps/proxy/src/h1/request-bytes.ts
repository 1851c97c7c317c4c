/** Up to here a body is copied behind its head: one write and one segment are worth more. */
const COPIED_BYTES_MAX = 16_384

const WITHOUT_BODY = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS'])
const METHOD = /^[A-Z]+$/
const TARGET = /^[\x21-\x7e]+$/
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

export interface RequestParts {
  readonly host: string
  readonly method: string
  readonly path: string
  /** Name, value, name, value ... */
  readonly headers: readonly string[]
  /** What comes piece by piece is sent in chunks, unless a header says its length. */
  readonly body: Buffer | AsyncIterable<Buffer> | null
}

/**
 * A request as the bytes of one or two writes. Throws where a part holds what would end it early:
 * a line break in a value is another header, or another request.
 */
export function requestBytes({ host, method, path, headers, body }: RequestParts): Buffer[] {
  if (!METHOD.test(method) || !TARGET.test(path)) throw new TypeError('not a request line')
  let head = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\n`
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? ''
    const value = headers[i + 1] ?? ''
    if (!NAME.test(name) || !VALUE.test(value)) throw new TypeError(`not a header: ${name}`)
    head += `${name}: ${value}\r\n`
  }
  if (body !== null && !Buffer.isBuffer(body)) {
    const chunked = lengthIn(headers) === undefined ? 'transfer-encoding: chunked\r\n' : ''
    return [Buffer.from(`${head}${chunked}\r\n`, 'latin1')]
  }
  const length = body?.length ?? 0
  const says = body !== null || !WITHOUT_BODY.has(method)
  head += says ? `content-length: ${length}\r\n\r\n` : '\r\n'
  const copied = length <= COPIED_BYTES_MAX
  const bytes = Buffer.allocUnsafe(head.length + (copied ? length : 0))
  bytes.write(head, 'latin1')
  if (!body || length === 0) return [bytes]
  if (!copied) return [bytes, body]
  body.copy(bytes, head.length)
  return [bytes]
}

/** The length that the headers say; undefined where they do not. */
export function lengthIn(headers: readonly string[]): number | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i]?.toLowerCase() === 'content-length') return Number(headers[i + 1])
  }
  return undefined
}
