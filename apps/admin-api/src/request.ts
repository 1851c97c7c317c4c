import { randomUUID } from 'node:crypto'
import { sha256, parseDurationMs } from '@signalbox/host'
import { type IfMatch } from '@signalbox/control'
import {
  type Actor,
  type FieldProblem,
  type Intent,
  type RefusalCode,
  type Snapshot,
  SOURCES,
  type Source,
  toHex,
} from '@signalbox/model'
import { type Committed, type StoredAnswer } from '@signalbox/store'
import { type Decide } from './check.ts'
import { type FastifyRequest } from 'fastify'
import { refused } from './refused.ts'

/** A request that the guard has let through. */
export interface AdminRequest extends FastifyRequest {
  actor?: Actor
  rawBody?: Buffer
  /** The code of the problem that was answered. */
  refusedWith?: RefusalCode
  /** The console's session spoke for it, and ends then. */
  sessionEndsMs?: number
}

export const WAIT_MS_MAX = 60_000
const REASON_LENGTH_MAX = 1_000
/** Percent-encoded, a character of a reason takes up to twelve. */
const REASON_HEADER_LENGTH_MAX = 12 * REASON_LENGTH_MAX
const ID_LENGTH_MAX = 128
const KEY_LENGTH_MAX = 255
const VISIBLE = /^[\x21-\x7e]+$/
const CALLERS: readonly Source[] = SOURCES.filter((source) => source !== 'system')

/** What a write says about itself in headers and query. */
export interface WriteOptions {
  readonly intent: Intent
  readonly ifMatch: IfMatch
  /** The same of the whole configuration: where the log has to end. */
  readonly ifHead?: IfMatch
  readonly idempotency: { readonly key: string; readonly requestHash: string } | null
  readonly dryRun: boolean
  /** POST /plan looks at what a dry run would have made. */
  readonly presentDryRun?: (committed: Committed | null, snapshot: Snapshot) => StoredAnswer
  /** POST /changes: a problem's path names its operation. */
  readonly several?: true
  /** POST /releases: what is made of the changes that were decided. */
  readonly around?: (decided: Decide) => Decide
  /** Undefined: answer at once. */
  readonly waitMs: number | undefined
}

type Query = Readonly<Record<string, string | undefined>>

/** The query; an unknown or repeated parameter is refused, so that none is silently ignored. */
export function readQuery(request: AdminRequest, allowed: readonly string[]): Query {
  const given = request.query as Record<string, unknown>
  const problems = Object.entries(given).flatMap(([name, value]): FieldProblem[] => {
    if (!allowed.includes(name)) return [{ path: name, message: 'unknown query parameter' }]
    if (typeof value !== 'string') return [{ path: name, message: 'stands more than once' }]
    return value.includes('\0') ? [{ path: name, message: 'holds a NUL' }] : []
  })
  if (problems.length > 0)
    throw refused('unknown_parameter', 'the query is not as it should be', problems)
  return given as Query
}

/** What Postgres and RFC 3339 both know, whatever the offset: the years 1 to 9999. */
const TIME_MIN_MS = Date.parse('0001-01-01T00:00:00Z')
const TIME_MAX_MS = Date.parse('9999-12-31T23:59:59.999Z')

/** An RFC 3339 time; undefined where the text is none. */
export function parseTime(text: string): Date | undefined {
  const time = /^\d{4}-\d\d-\d\dT/.test(text) ? new Date(text) : new Date(NaN)
  return time.getTime() >= TIME_MIN_MS && time.getTime() <= TIME_MAX_MS ? time : undefined
}

export function wrongParameter(path: string, message: string) {
  return refused('unknown_parameter', `${path}: ${message}`, [{ path, message }])
}

export function readWhole(
  query: Query,
  name: string,
  { min, max, otherwise }: { min: number; max: number; otherwise: number },
): number {
  const text = query[name]
  if (text === undefined) return otherwise
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN
  if (value >= min && value <= max) return value
  throw wrongParameter(name, `expected a number from ${min} to ${max}`)
}

/** Everything a write may say beside its body. */
export function readWrite(
  request: AdminRequest,
  { reason = null, more = [] }: { reason?: string | null; more?: readonly string[] } = {},
): WriteOptions {
  const query = readQuery(request, ['dryRun', 'wait', ...more])
  const dryRun = readFlag(query, 'dryRun')
  const idempotencyKey = header(request, 'idempotency-key', KEY_LENGTH_MAX)
  const { actor } = request
  if (!actor) throw new Error('a write without an actor')
  return {
    intent: {
      actor,
      source: readSource(request),
      reason: reason ?? readReason(request),
      requestId: requestIdOf(request),
      changeRef: header(request, 'x-change-ref', REASON_LENGTH_MAX) ?? null,
      // None on a Unix socket.
      address: request.raw.socket.remoteAddress ?? null,
    },
    ifMatch: readIfMatch(request),
    idempotency:
      idempotencyKey === undefined || dryRun
        ? null
        : { key: `${actor.id}:${idempotencyKey}`, requestHash: hashOf(request) },
    dryRun,
    waitMs: readWait(query),
  }
}

/** The member `reason` of a body, which stands for the header. */
export function readReasonMember(reason: unknown): string | null {
  if (reason === undefined) return null
  if (typeof reason === 'string' && reason.length <= REASON_LENGTH_MAX) return reason
  const message = `expected text up to ${REASON_LENGTH_MAX} characters`
  throw refused('validation_failed', 'the reason is not valid', [{ path: 'reason', message }])
}

/** A precondition that a call would ignore is refused. */
export function refuseIfMatch({ ifMatch }: WriteOptions): void {
  if (ifMatch === null) return
  const message = 'is for PUT, PATCH and DELETE of one resource, /config, /changes and /rollback'
  throw wrongParameter('if-match', message)
}

/** The precondition of a call that is about the whole configuration, whose ETag is the head's. */
export function atHead(options: WriteOptions): WriteOptions {
  return { ...options, ifMatch: null, ifHead: options.ifMatch }
}

/** The caller's request id where it is a sane one, else a new one; the same on every call. */
export function requestIdOf(request: FastifyRequest): string {
  const given = request.headers['x-request-id']
  const sane = typeof given === 'string' && given.length <= ID_LENGTH_MAX && VISIBLE.test(given)
  return sane ? given : request.id
}

export function newRequestId(): string {
  return randomUUID()
}

export function readFlag(query: Query, name: string): boolean {
  const text = query[name]
  if (text === undefined || text === 'false') return false
  if (text === 'true') return true
  throw wrongParameter(name, 'expected true or false')
}

function readWait(query: Query): number | undefined {
  const text = query['wait']
  if (text === undefined) return undefined
  const ms = parseDurationMs(text)
  if (ms !== undefined && ms <= WAIT_MS_MAX) return ms
  throw wrongParameter('wait', 'expected a duration up to 60s, such as 5s or 500ms')
}

function readIfMatch(request: AdminRequest): IfMatch {
  const text = header(request, 'if-match', KEY_LENGTH_MAX)
  if (text === undefined) return null
  const ifMatch = parseIfMatch(text)
  if (ifMatch !== undefined) return ifMatch
  throw wrongParameter('if-match', 'expected an ETag such as "42", or *')
}

/** An ETag, or `*`; undefined where the text is neither. */
export function parseIfMatch(text: string): IfMatch | undefined {
  if (text === '*') return '*'
  const revision = /^"(\d{1,15})"$/.exec(text)?.[1]
  return revision === undefined ? undefined : Number(revision)
}

function readSource(request: AdminRequest): Source {
  const text = header(request, 'x-signalbox-source', ID_LENGTH_MAX)
  if (text === undefined) return 'api'
  const source = CALLERS.find((one) => one === text)
  if (source) return source
  throw wrongParameter('x-signalbox-source', `expected one of ${CALLERS.join(', ')}`)
}

/**
 * Node reads headers as Latin-1; what was sent as UTF-8 or percent-encoded UTF-8 is decoded, and
 * what is neither ("100% sure") stays as it is.
 */
function readReason(request: AdminRequest): string | null {
  const raw = header(request, 'x-reason', REASON_HEADER_LENGTH_MAX)
  if (raw === undefined) return null
  const text = attempt(decodeURIComponent, attempt(utf8OfLatin1, raw))
  if (text.length <= REASON_LENGTH_MAX && !text.includes('\0')) return text
  throw wrongParameter('x-reason', `expected 1 to ${REASON_LENGTH_MAX} characters, none NUL`)
}

function utf8OfLatin1(text: string): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'latin1'))
}

function attempt(decode: (text: string) => string, text: string): string {
  try {
    return decode(text)
  } catch {
    return text
  }
}

function header(request: AdminRequest, name: string, lengthMax: number): string | undefined {
  const value = request.headers[name]
  if (value === undefined) return undefined
  if (typeof value === 'string' && value.length > 0 && value.length <= lengthMax) return value
  throw wrongParameter(name, `expected one value of 1 to ${lengthMax} characters`)
}

/**
 * What makes two requests the same: method, path, query but for wait, If-Match and the body's
 * bytes.
 */
function hashOf(request: AdminRequest): string {
  const { pathname, searchParams } = new URL(request.url, 'http://admin')
  searchParams.delete('wait')
  const ifMatch = request.headers['if-match'] ?? ''
  const head = [request.method, pathname, searchParams.toString(), ifMatch].join('\n')
  return toHex(
    sha256(Buffer.concat([Buffer.from(`${head}\n`), request.rawBody ?? Buffer.alloc(0)])),
  )
}
