import { type IncomingHttpHeaders } from 'node:http'
import { type Dialect, type HeaderPair } from '@signalbox/dialects'

/** Of the client's headers only these go upstream: no credential, no cookie, nothing hop-by-hop. */
const REQUEST_ALLOWED = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'content-type',
  'user-agent',
  'idempotency-key',
  'traceparent',
  'tracestate',
  'baggage',
])
const REQUEST_PREFIXES = ['openai-', 'anthropic-', 'x-stainless-', 'x-goog-api-client']
/** Of the backend's headers only these go to the client. */
const RESPONSE_ALLOWED = new Set([
  'content-type',
  'content-length',
  'content-encoding',
  'content-disposition',
  'cache-control',
  'retry-after',
  'vary',
  'x-should-retry',
  'x-simulated',
])
const LIMIT_PREFIX = 'x-ratelimit-'
const RESPONSE_PREFIXES = ['openai-', 'anthropic-', LIMIT_PREFIX]
const REQUEST_ID_LENGTH_MAX = 128
const RETRY_AFTER_S_MAX = 60
const CONNECTION = 'connection'
/** What Connection says nearly always. */
const PLAIN: ReadonlySet<string> = new Set(['keep-alive', 'close', 'Keep-Alive', 'Close'])
const VISIBLE = /^[\x21-\x7e]+$/

function allowed(name: string, names: ReadonlySet<string>, prefixes: readonly string[]): boolean {
  return names.has(name) || prefixes.some((prefix) => name.startsWith(prefix))
}

/**
 * The upstream request's headers, as undici takes them: name, value, name, value ... Our own take
 * the place of the client's.
 */
export function requestHeaders(
  rawHeaders: readonly string[],
  own: readonly HeaderPair[],
): string[] {
  const headers: string[] = []
  const hops = hopsIn(rawHeaders)
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase()
    if (!allowed(name, REQUEST_ALLOWED, REQUEST_PREFIXES) || hops?.has(name)) continue
    if (own.some(([taken]) => taken === name)) continue
    headers.push(name, rawHeaders[i + 1] ?? '')
  }
  for (const [name, value] of own) headers.push(name, value)
  return headers
}

/** The headers that Connection says are for this connection alone (RFC 9110, 7.6.1). */
function hopsIn(rawHeaders: readonly string[]): ReadonlySet<string> | undefined {
  let hops: Set<string> | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    if (name.length !== CONNECTION.length || name.toLowerCase() !== CONNECTION) continue
    for (const one of hopsOf(rawHeaders[i + 1]) ?? []) (hops ??= new Set()).add(one)
  }
  return hops
}

/** Undefined where it names none, as nearly always. */
function hopsOf(connection: string | string[] | undefined): ReadonlySet<string> | undefined {
  if (connection === undefined) return undefined
  // A list in lines of its own is the same list.
  const list = typeof connection === 'string' ? connection : connection.join(',')
  if (PLAIN.has(list)) return undefined
  return new Set(list.split(',').map((one) => one.trim().toLowerCase()))
}

/** Copies what the client may see of an answer's headers behind `target`. */
export function addResponseHeaders(target: string[], headers: IncomingHttpHeaders): void {
  // Ours are there already: how the backend's account stands is not the client's to know then.
  const ownLimits = target.some((one) => one.startsWith(LIMIT_PREFIX))
  const hops = hopsOf(headers.connection)
  for (const name in headers) {
    if (!allowed(name, RESPONSE_ALLOWED, RESPONSE_PREFIXES) || hops?.has(name)) continue
    if (ownLimits && name.startsWith(LIMIT_PREFIX)) continue
    const value = headers[name]
    if (Array.isArray(value)) for (const one of value) target.push(name, one)
    else if (value !== undefined) target.push(name, name === 'retry-after' ? capped(value) : value)
  }
}

/** SDKs wait as long as they are told: a backend must not send a client to sleep for a day. */
function capped(retryAfter: string): string {
  const seconds = /^\d{1,15}$/.test(retryAfter) ? Number(retryAfter) : 0
  return seconds > RETRY_AFTER_S_MAX ? String(RETRY_AFTER_S_MAX) : retryAfter
}

/** The client's request id where it is a sane one. */
export function saneRequestId(given: string | string[] | undefined): string | undefined {
  if (typeof given !== 'string' || given.length > REQUEST_ID_LENGTH_MAX) return undefined
  return VISIBLE.test(given) ? given : undefined
}

/**
 * What a backend says twice and may say once, in the form that all others read: the first type, as
 * Node's own client has it, and all encodings in one line.
 */
export function saidOnce(headers: IncomingHttpHeaders): void {
  const type = headers['content-type'] as string | string[] | undefined
  if (Array.isArray(type)) headers['content-type'] = type[0]
  const encoding = headers['content-encoding'] as string | string[] | undefined
  if (Array.isArray(encoding)) headers['content-encoding'] = encoding.join(', ')
}

/**
 * A stream as this dialect has them, in clear: of a compressed one the end is not seen, and nothing
 * may be added. What another dialect streams in, a file of lines say, is an answer like any other.
 */
export function isReadableStream(
  status: number,
  headers: IncomingHttpHeaders,
  { chat: { streamType } }: Pick<Dialect, 'chat'>,
): boolean {
  const { 'content-type': type = '', 'content-encoding': encoding = 'identity' } = headers
  const isEvents = type.toLowerCase().startsWith(streamType)
  return status === 200 && isEvents && encoding.toLowerCase() === 'identity'
}
