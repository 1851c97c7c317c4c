import { type IncomingMessage, type ServerResponse } from 'node:http'
import {
  type Dialect,
  dialectNamed,
  dialectOfPath,
  ENTRY_PATHS,
  FIXED,
  LIST_PATHS,
  type Operation,
  OPERATIONS as ALL_OPERATIONS,
} from '@signalbox/dialects'
import { type Clock } from '@signalbox/host'
import { type Failure, type Health } from '@signalbox/model'
import {
  admits,
  breakerState,
  openBreaker,
  openModelBreakers,
  slowStartShare,
} from '@signalbox/routing'
import { authenticate } from './authenticate.ts'
import { type Configuration } from './configuration.ts'
import { declaresBody, endUnread } from './end-unread.ts'
import { downstream, internal, statusOf } from './failures.ts'
import { type Live } from './live-backend.ts'
import { allows } from './models.ts'
import { decoded, operationsWithId, operationWithModel } from './path-model.ts'
import { type Seat } from './seat.ts'
import { type Upstream } from './upstream.ts'

const OPERATIONS: ReadonlyMap<string, readonly Operation[]> = Map.groupBy(
  ALL_OPERATIONS,
  ({ path }) => path,
)
const GOOGLE_HEADERS = ['x-goog-api-client', 'x-goog-api-key']

/** What a path and a method ask for. */
export type Wanted =
  | {
      readonly kind: 'operation'
      readonly operation: Operation
      readonly pathModel?: string
      readonly pathId?: string
    }
  | { readonly kind: 'models' }
  | { readonly kind: 'model'; readonly id: string }
  | { readonly kind: 'health' }
  | { readonly kind: 'fixed'; readonly body: string }
  | { readonly kind: 'backends' }
  | { readonly kind: 'refused'; readonly failure: Failure; readonly allow?: string }

/** Finds out what is wanted. Does not look at headers or body. */
export function wantedBy(method: string, url: string): Wanted {
  const path = url.split('?', 1)[0] ?? ''
  const found = OPERATIONS.get(path)
  const asked = found ? { operations: found } : (operationWithModel(path) ?? operationsWithId(path))
  if (asked) {
    const { operations, ...named } = asked
    const operation = operations.find((one) => one.method === method)
    if (operation) return { kind: 'operation', operation, ...named }
    return wrong(operations.map((one) => one.method).join(', '))
  }
  const read = readable(path)
  if (!read) return { kind: 'refused', failure: downstream('unknown_path', `there is no ${path}`) }
  return method === 'GET' || method === 'HEAD' ? read : wrong('GET, HEAD')
}

function readable(path: string): Wanted | undefined {
  if (LIST_PATHS.includes(path)) return { kind: 'models' }
  const body = FIXED.get(path)
  if (body !== undefined) return { kind: 'fixed', body }
  if (path === '/health') return { kind: 'health' }
  if (path === '/admin/health') return { kind: 'backends' }
  const list = ENTRY_PATHS.find((one) => path.startsWith(`${one}/`))
  const id = list && decoded(path.slice(list.length + 1))
  return id === undefined ? undefined : { kind: 'model', id }
}

function wrong(allow: string): Wanted {
  return { kind: 'refused', failure: downstream('wrong_method', `the method is ${allow}`), allow }
}

/** The metric label: few values, whatever clients ask for. */
export function endpointOf({ kind }: Exclude<Wanted, { kind: 'operation' }>): string {
  return kind === 'refused' ? 'other' : kind
}

export interface Answering {
  /** Why the request must not be read any further. */
  readonly unsafe: Failure | undefined
  readonly configuration: Configuration
  readonly requestId: string
  readonly clock: Clock
  /** What it sees itself, made into what the whole proxy sees. */
  readonly backends: Seat['backends']
}

/** Answers what needs no backend. */
export function answer(
  wanted: Exclude<Wanted, { kind: 'operation' }>,
  { request, response }: { request: IncomingMessage; response: ServerResponse },
  { unsafe, configuration, requestId, clock, backends }: Answering,
): void {
  const unread = declaresBody(request)
  if (unread) response.shouldKeepAlive = false
  const send = (status: number, body: string, more: Record<string, string> = {}) => {
    const routing = configuration.current()
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'x-request-id': requestId,
      ...(routing ? { 'x-signalbox-revision': routing.revision } : {}),
      ...more,
    })
    if (request.method === 'HEAD') response.end()
    else if (unread) endUnread({ request, response }, body, clock)
    else response.end(body)
  }
  const dialect = dialectOf(request)
  const fail = (failure: Failure, more: Record<string, string> = {}) => {
    send(statusOf(failure), dialect.errorBody(failure, requestId), more)
  }
  if (unsafe) {
    response.shouldKeepAlive = false
    return fail(unsafe)
  }
  if (wanted.kind === 'refused')
    return fail(wanted.failure, wanted.allow ? { allow: wanted.allow } : {})
  if (wanted.kind === 'fixed') return send(200, wanted.body)
  const routing = configuration.current()
  if (!routing) return fail(internal('not_ready', 'no configuration yet'), { 'retry-after': '1' })
  if (wanted.kind === 'health')
    return send(200, JSON.stringify({ status: 'ok', revision: Number(routing.revision) }))
  if (wanted.kind === 'backends') {
    void Promise.resolve(backends(backendHealth(configuration, clock.monotonicMs()))).then((seen) =>
      send(200, JSON.stringify(seen)),
    )
    return
  }
  const authenticated = authenticate(request.headers, routing.table, clock.nowMs())
  if (!authenticated.ok) return fail(authenticated.error)
  const key = authenticated.value?.routes ? authenticated.value : null
  const { models, table } = routing
  if (wanted.kind === 'models') return send(200, models.list(dialect, key))
  const mayKnow = !key || allows(key, table, wanted.id)
  const entry = mayKnow ? models.entry(dialect, wanted.id) : undefined
  if (entry !== undefined) return send(200, entry)
  fail(downstream('model_not_found', `there is no model ${JSON.stringify(wanted.id)}`))
}

/** All lists have one path; clients of Anthropic and Google say who they are in a header. */
function dialectOf({ headers, url = '' }: IncomingMessage): Dialect {
  const own = dialectOfPath(url)
  if (own) return own
  const isGoogle = GOOGLE_HEADERS.some((name) => headers[name] !== undefined)
  if (isGoogle) return dialectNamed('gemini')
  return dialectNamed(headers['anthropic-version'] === undefined ? 'openai' : 'anthropic')
}

/** Of a backend that no request has been to. */
const UNTRIED = { breaker: openBreaker(), models: openModelBreakers() }

/** What requests have found out about a backend, and what follows from it. */
function breakerFacts({ breaker = UNTRIED.breaker, models = UNTRIED.models }: Live, nowMs: number) {
  const state = breakerState(breaker, nowMs)
  return {
    state,
    cause: state === 'closed' ? null : breaker.cause,
    failures: breaker.failures,
    ejections: breaker.ejections,
    triedAgainInMs: state === 'open' ? Math.ceil(breaker.untilMs - nowMs) : null,
    share: slowStartShare(breaker, nowMs),
    models: [...models.byModel].map(([model, own]) => ({
      model,
      state: breakerState(own, nowMs),
      failures: own.failures,
      share: slowStartShare(own, nowMs),
    })),
  }
}

export interface BackendHealth {
  readonly revision: number
  readonly backends: readonly SeenBackend[]
}

export interface SeenBackend {
  readonly id: string
  readonly url: string
  readonly enabled: boolean
  readonly health: Health
  readonly eligible: boolean
  readonly since: string | null
  readonly probeLatencyMs: number | null
  readonly firstByteMs: number | null
  readonly error: string | null
  readonly inFlight: number
  readonly breaker: ReturnType<typeof breakerFacts>
  readonly pool: ReturnType<Upstream['stats']>
  readonly models: readonly string[] | null
}

/** Status and latency of each backend, as this data plane sees them. */
export function backendHealth(configuration: Configuration, nowMs: number): BackendHealth {
  const backends = [...configuration.backends()].map((live) => ({
    id: live.id,
    url: live.backend.spec.url,
    enabled: live.backend.spec.enabled,
    health: live.status?.health ?? 'unknown',
    eligible:
      live.eligible &&
      admits(live.breaker ?? UNTRIED.breaker, nowMs) &&
      live.backend.spec.enabled &&
      !live.removed,
    since: live.status ? new Date(live.status.sinceMs).toISOString() : null,
    probeLatencyMs: live.status?.latencyMs ?? null,
    firstByteMs: live.samples > 0 ? live.ewmaMs : null,
    error: live.status?.error ?? null,
    inFlight: live.inFlight,
    breaker: breakerFacts(live, nowMs),
    pool: live.poolStats(),
    models: live.status?.models ?? null,
  }))
  return { revision: Number(configuration.current()?.revision ?? 0), backends }
}
