import { type Clock, Counter, Histogram, type Log, type Metrics } from '@signalbox/host'
import { type Denial } from '@signalbox/store'
import { type FastifyInstance } from 'fastify'
import { type Denials } from './denials.ts'
import { type AdminRequest, requestIdOf } from './request.ts'

/** What is recorded as refused: not known, not allowed, in conflict, stale, not valid. */
const DENIED = new Set([401, 403, 409, 412, 422])
const PATH_LENGTH_MAX = 512

export interface WatchDeps {
  readonly log: Log
  readonly clock: Clock
  readonly metrics: Metrics
  readonly denials: Denials
}

/**
 * Counts and logs each request (no body, no header), and sets the headers that all answers carry.
 */
export function watchRequests(
  fastify: FastifyInstance,
  { log, clock, metrics, denials }: WatchDeps,
): void {
  const requests = new Counter({
    name: 'http_requests_total',
    help: 'Requests, by method, endpoint and status',
    labelNames: ['method', 'endpoint', 'status'],
    registers: [metrics],
  })
  const durations = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from the head of a request to the end of its answer',
    labelNames: ['method', 'endpoint'],
    registers: [metrics],
  })
  const started = new WeakMap<object, number>()
  fastify.addHook('onRequest', (request, reply, done) => {
    started.set(request, clock.monotonicMs())
    void reply.header('x-request-id', requestIdOf(request))
    void reply.header('x-content-type-options', 'nosniff')
    void reply.header('cache-control', 'no-store')
    done()
  })
  fastify.addHook('onResponse', (request, reply, done) => {
    const endpoint = request.routeOptions.url ?? 'other'
    const { method } = request
    const status = reply.statusCode
    requests.inc({ method, endpoint, status: String(status) })
    const nowMs = clock.monotonicMs()
    const tookMs = nowMs - (started.get(request) ?? nowMs)
    durations.observe({ method, endpoint }, tookMs / 1_000)
    const durationMs = Math.round(tookMs)
    const actor = (request as AdminRequest).actor?.id ?? null
    const requestId = requestIdOf(request)
    log.info({ method, endpoint, status, actor, durationMs, requestId }, 'request')
    if (DENIED.has(status)) denials.note(denialOf(request, { status, nowMs: clock.nowMs() }))
    done()
  })
}

/** Without the query and the body: what was asked for, not what was said. */
function denialOf(
  request: AdminRequest,
  { status, nowMs }: { readonly status: number; readonly nowMs: number },
): Denial {
  const { actor, method, url, refusedWith = 'unknown' } = request
  return {
    at: new Date(nowMs).toISOString(),
    actor: actor?.id ?? null,
    role: actor?.role ?? null,
    address: request.raw.socket.remoteAddress ?? null,
    method,
    path: (url.split('?')[0] ?? '').slice(0, PATH_LENGTH_MAX),
    status,
    code: refusedWith,
    requestId: requestIdOf(request),
  }
}
