import { type Failure } from '@signalbox/model'
import { downstream } from './failures.ts'

/** What the guard looks at: as it came, before anybody joined or trimmed it. */
export interface RequestHead {
  readonly httpVersion: string
  readonly url: string
  /** Name, value, name, value ... in the order of the wire. */
  readonly rawHeaders: readonly string[]
}

export const URL_LENGTH_MAX = 8_192
/** A second one of these would let two readers see two different requests. */
const ONCE = new Set([
  'host',
  'authorization',
  'content-type',
  'content-length',
  'transfer-encoding',
])
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/**
 * Refuses what a second HTTP parser might read as another request than we do (RFC 9112, sections
 * 2.3, 3.2 and 6; request smuggling). Node's own parser lets these through. Undefined: it may pass.
 */
export function guard({ httpVersion, url, rawHeaders }: RequestHead): Failure | undefined {
  if (url.length > URL_LENGTH_MAX) return downstream('headers_too_large', 'the URL is too long')
  if (!url.startsWith('/') || url.startsWith('//')) return refuse('the target must be a path')
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return refuse('only HTTP/1.1 is spoken here')
  const seen = new Set<string>()
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    if (!TOKEN.test(name)) return refuse('a header name has a wrong character')
    const lower = name.toLowerCase()
    if (ONCE.has(lower) && seen.has(lower)) return refuse(`the header ${lower} stands twice`)
    if (lower === 'transfer-encoding' && rawHeaders[i + 1] !== 'chunked') {
      return refuse('the only transfer-encoding is chunked')
    }
    seen.add(lower)
  }
  if (!seen.has('host')) return refuse('the header host is missing')
  if (!seen.has('transfer-encoding')) return undefined
  if (httpVersion === '1.0') return refuse('HTTP/1.0 has no transfer-encoding')
  return seen.has('content-length')
    ? refuse('both content-length and transfer-encoding')
    : undefined
}

function refuse(message: string): Failure {
  return downstream('malformed_request', message)
}

/** Whether the client asked for the connection to end, however it wrote that. */
export function asksToClose(httpVersion: string, connection: string | undefined): boolean {
  const tokens = (connection ?? '').split(',').map((token) => token.trim().toLowerCase())
  return tokens.includes('close') || httpVersion === '1.0'
}
