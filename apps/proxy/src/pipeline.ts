import { type IncomingMessage, type ServerResponse } from 'node:http'
import { type HeaderPair, openai, type Operation } from '@signalbox/dialects'
import { type Clock, type Log } from '@signalbox/host'
import { CODES, type Failure, type FailureCode } from '@signalbox/model'
import {
  type CompiledKey,
  type CompiledRoute,
  type CompiledTarget,
  match,
  mayUse,
  next,
  observeLatency,
  type Outcome,
  pickFromRoute,
  whyNone,
} from '@signalbox/routing'
import type { Dispatcher } from 'undici'
import { type AccessLog } from './access-log.ts'
import { authenticate } from './authenticate.ts'
import { type BodyBudget } from './body-budget.ts'
import { type BodyScan, scanBody } from './body-scan.ts'
import { spliceModel } from './body-splice.ts'
import { type Configuration, type Routing } from './configuration.ts'
import { endUnread } from './end-unread.ts'
import { Exchange } from './exchange.ts'
import { downstream, internal, statusOf } from './failures.ts'
import { requestHeaders } from './headers.ts'
import { type Live } from './live-backend.ts'
import { type ProxyMetrics } from './metrics.ts'
import { readBody } from './read-body.ts'
import { type TimerWheel } from './timer-wheel.ts'

/** How long a request for an unknown model waits while a new backend's models are found out. */
const DISCOVERY_WAIT_MS = 1_000
const RETRY_AFTER_S = '1'
const RETRY_LATER = new Set(['no_backend', 'backend_full', 'bodies_full', 'not_ready', 'draining'])

/** Of a compressed stream nobody can see whether it came whole. */
const READABLE: readonly HeaderPair[] = [['accept-encoding', 'identity']]

const CLIENT_LEFT = downstream('request_timeout', 'the client left')

export interface Pipeline {
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  readonly configuration: Configuration
  readonly wheel: TimerWheel
  readonly metrics: ProxyMetrics
  readonly accessLog: AccessLog
  readonly bodyBytesMax: number
  readonly budget: BodyBudget
  /** Attempts under way, for the drain. */
  readonly exchanges: Set<Exchange>
}

export interface Accepted {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly operation: Operation
  readonly requestId: string
  /** What the guard found, which looks at every request first. */
  readonly unsafe: Failure | undefined
}

/** One request on its way through. Everything that is settled at the end is gathered here. */
interface Passage extends Accepted {
  readonly startMs: number
  /** Whose it is; null: nobody's in particular. */
  key: CompiledKey | null
  /** Bytes of its body that count in the budget of all. */
  readonly held: { bytes: number }
  model: string | null
  routing: Routing | undefined
  live: Live | undefined
  exchange: Exchange | undefined
  attempts: number
  firstByteMs: number | null
  code: FailureCode | null
}

/**
 * accept -> guard -> authenticate -> read -> scan -> match -> pick -> attempt -> relay -> settle,
 * in this order.
 */
export async function handle(pipeline: Pipeline, accepted: Accepted): Promise<void> {
  const passage = begin(pipeline, accepted)
  const failure = await pass(pipeline, passage).catch((error: unknown) => {
    pipeline.log.error({ cause: String(error) }, 'a request failed by our own fault')
    return internal('proxy_error', 'the proxy failed')
  })
  pipeline.budget.give(passage.held.bytes)
  if (failure) refuse(pipeline, passage, failure)
  settle(pipeline, passage)
}

async function pass(pipeline: Pipeline, passage: Passage): Promise<Failure | undefined> {
  const { request } = passage
  if (passage.unsafe) return passage.unsafe
  const current = pipeline.configuration.current()
  if (!current) return internal('not_ready', 'no configuration yet')
  const authenticated = authenticate(request.headers, current.table, pipeline.clock.nowMs())
  if (!authenticated.ok) return authenticated.error
  passage.key = authenticated.value
  if (!isJson(request.headers['content-type'])) {
    return downstream('unsupported_media_type', 'expected content-type application/json')
  }
  if ((request.headers['content-encoding'] ?? 'identity') !== 'identity') {
    return downstream('unsupported_media_type', 'expected a body that is not compressed')
  }

  const { bodyBytesMax: bytesMax, budget } = pipeline
  const read = await readBody(request, { bytesMax, budget, held: passage.held })
  if (!read.ok) return read.error
  const scan = scanBody(read.value)
  if (!scan.ok) return downstream(scan.code, scan.message)
  if (!scan.model) return downstream('missing_model', 'the body names no model')
  passage.model = scan.model.value

  const route = await findRoute(pipeline, passage, scan.model.value)
  if (!route) {
    return downstream('model_not_found', `there is no model ${JSON.stringify(scan.model.value)}`)
  }
  if (passage.key && !mayUse(passage.key, route, scan.model.value)) {
    const message = `the key may not use the model ${JSON.stringify(scan.model.value)}`
    return downstream('key_not_allowed', message)
  }
  return attempts(pipeline, passage, { route, scan, body: read.value })
}

function begin({ clock }: Pipeline, accepted: Accepted): Passage {
  return {
    ...accepted,
    startMs: clock.monotonicMs(),
    key: null,
    held: { bytes: 0 },
    model: null,
    routing: undefined,
    live: undefined,
    exchange: undefined,
    attempts: 0,
    firstByteMs: null,
    code: null,
  }
}

/**
 * Takes the table that this request keeps. A model that may be just being discovered is waited for:
 * swaps that do not bring it do not end the wait.
 */
async function findRoute(
  { configuration, clock }: Pipeline,
  passage: Passage,
  model: string,
): Promise<CompiledRoute | undefined> {
  const endMs = clock.monotonicMs() + DISCOVERY_WAIT_MS
  for (;;) {
    passage.routing = configuration.current()
    const route = passage.routing && match(passage.routing.table, model)
    const restMs = endMs - clock.monotonicMs()
    if (route || restMs <= 0 || !configuration.isDiscovering()) return route
    await configuration.nextSwap(restMs)
  }
}

interface Asked {
  readonly route: CompiledRoute
  readonly scan: Extract<BodyScan, { ok: true }>
  readonly body: Buffer
}

/** Attempts, each at another backend, until next() says otherwise. */
async function attempts(
  pipeline: Pipeline,
  passage: Passage,
  asked: Asked,
): Promise<Failure | undefined> {
  const { clock, random, metrics } = pipeline
  const { routing } = passage
  if (!routing) throw new Error('a route without a table')
  const tried: number[] = []
  const { maxRetries } = asked.route.policy.retry
  let last: Failure | undefined
  for (;;) {
    // It may have left while nobody listened for that; then no backend need do the work.
    if (passage.response.destroyed) return CLIENT_LEFT
    const context = { live: routing.live, nowMs: clock.monotonicMs(), random, tried }
    const target = pickFromRoute(asked.route, context)
    if (!target) return last ?? noTarget(asked.route, whyNone(asked.route, context))
    tried.push(target.backend.index)
    passage.attempts++
    const outcome = await attempt(pipeline, passage, { ...asked, target, routing })
    metrics.attempt({
      backend: target.backend.id,
      outcome: outcome.kind === 'answered' ? 'answered' : outcome.failure.code,
      durationMs: clock.monotonicMs() - context.nowMs,
    })
    // Counted before: a removed backend takes its series with it.
    if (passage.live) pipeline.configuration.reap(passage.live)
    const step = next(outcome, { attempts: passage.attempts, maxRetries })
    if (step.kind === 'done') return undefined
    if (outcome.kind === 'failed') last = outcome.failure
    if (step.kind === 'again') continue
    passage.code = step.failure.code
    return step.why === 'begun' ? undefined : step.failure
  }
}

function noTarget(route: CompiledRoute, code: 'no_backend' | 'backend_full'): Failure {
  const why = code === 'no_backend' ? 'no backend is up' : 'every backend is busy'
  return internal(code, `${why} for the model ${JSON.stringify(route.id)}`)
}

interface Attempted extends Asked {
  readonly target: CompiledTarget
  readonly routing: Routing
}

async function attempt(
  pipeline: Pipeline,
  passage: Passage,
  attempted: Attempted,
): Promise<Outcome> {
  const { target, routing } = attempted
  const live = routing.live[target.backend.index]
  if (!live) throw new Error(`no live backend ${target.backend.id}`)
  passage.live = live
  live.inFlight++
  const outcome = await exchange(pipeline, passage, { ...attempted, live })
  live.inFlight--
  if (outcome.kind === 'answered') live.connectFailures = 0
  else if (outcome.failure.code === 'upstream_connect_failed') {
    pipeline.configuration.connectFailed(live)
  }
  return outcome
}

/** Sends the request and relays what comes back, within the policy's times. */
function exchange(
  { clock, wheel, metrics, exchanges }: Pipeline,
  passage: Passage,
  { live, routing, ...asked }: Attempted & { readonly live: Live },
): Promise<Outcome> {
  const { response } = passage
  const { timeouts } = asked.route.policy
  const { upstream } = live
  // Made now: while it waits for a connection the backend may get another address or credential.
  const sent = upstreamRequest(passage, { ...asked, live })
  return new Promise((resolve) => {
    const relay = new Exchange({
      live,
      response,
      clock,
      requestId: passage.requestId,
      ownHeaders: ownHeaders(passage, routing),
      onFirstByte: (ms) => {
        const nowMs = clock.monotonicMs()
        passage.firstByteMs ??= nowMs - passage.startMs
        observeLatency(live, ms, nowMs)
        metrics.firstByte(ms)
      },
      onGap: metrics.gap,
      finish: (ended) => {
        for (const cancel of [leaveQueue, cancelConnect, cancelDeadline]) cancel()
        response.off('drain', resume)
        response.off('close', onClose)
        exchanges.delete(relay)
        resolve(ended)
      },
      released: () => upstream.leave(),
    })
    const resume = () => relay.resume()
    const onClose = () => relay.abort(CLIENT_LEFT)
    const totalMs = asked.scan.stream ? timeouts.streamTotalMs : timeouts.totalMs
    const restMs = passage.startMs + totalMs - clock.monotonicMs()
    const cancelDeadline = wheel.after(restMs, () => relay.abort(tooLong(totalMs)))
    const connectMs = live.backend.spec.timeouts.connectMs ?? timeouts.connectMs
    let cancelConnect = () => {}
    let leaveQueue = () => {}
    passage.exchange = relay
    exchanges.add(relay)
    response.on('drain', resume)
    response.on('close', onClose)
    leaveQueue = upstream.enter(() => {
      cancelConnect = wheel.after(connectMs, () => relay.connectLate())
      upstream.dispatch(sent, relay)
    })
  })
}

function upstreamRequest(
  { request, requestId, operation }: Passage,
  { route, scan, body, target, live }: Asked & { target: CompiledTarget; live: Live },
): Dispatcher.DispatchOptions {
  const path = live.paths.get(operation.path)
  if (!path) throw new Error(`no path ${operation.path} at ${live.id}`)
  const { timeouts } = route.policy
  const { firstByteMs, idleMs } = live.backend.spec.timeouts
  const renamed = scan.model && scan.model.value !== target.model
  return {
    method: 'POST',
    path,
    body: renamed && scan.model ? renameIn(body, scan.model, target.model) : body,
    headers: requestHeaders(request.rawHeaders, [
      ['x-request-id', requestId],
      ...(scan.stream ? READABLE : []),
      ...live.headers,
    ]),
    headersTimeout: firstByteMs ?? timeouts.firstByteMs,
    bodyTimeout: idleMs ?? timeouts.idleMs,
  }
}

function renameIn(body: Buffer, token: { start: number; end: number }, model: string): Buffer {
  const { parts, length } = spliceModel(body, token, model)
  return Buffer.concat(parts, length)
}

function tooLong(totalMs: number): Failure {
  const message = `the answer took longer than ${totalMs} ms`
  return { code: 'upstream_timeout', source: 'upstream', nothingSent: false, message }
}

/** Which revision decided, which backend answered, at which attempt. */
function ownHeaders(
  { requestId, attempts: count, live }: Passage,
  { revision }: Routing,
): string[] {
  return [
    'x-request-id',
    requestId,
    'x-signalbox-revision',
    revision,
    'x-signalbox-backend',
    live?.id ?? '',
    'x-signalbox-attempts',
    String(count),
  ]
}

/**
 * Our own error answer. A body that was not read ends the connection: nobody may read it as a
 * request.
 */
function refuse({ configuration, clock }: Pipeline, passage: Passage, failure: Failure): void {
  const { response, request, requestId } = passage
  passage.code = failure.code
  if (response.headersSent || response.destroyed) return
  const unsafe = failure.code === 'malformed_request'
  const unread = !unsafe && !request.complete
  if (unsafe || unread) response.shouldKeepAlive = false
  const body = openai.errorBody(failure, requestId)
  const headers = [
    'content-type',
    'application/json',
    'content-length',
    String(Buffer.byteLength(body)),
  ]
  const routing = passage.routing ?? configuration.current()
  headers.push('x-request-id', requestId)
  if (routing) headers.push('x-signalbox-revision', routing.revision)
  if (passage.attempts > 0) headers.push('x-signalbox-attempts', String(passage.attempts))
  if (RETRY_LATER.has(failure.code)) headers.push('retry-after', RETRY_AFTER_S)
  // What can be tried again was, as often as the policy lets: SDKs must not multiply that.
  if (failure.source === 'upstream' && failure.nothingSent) headers.push('x-should-retry', 'false')
  response.writeHead(statusOf(failure), headers)
  if (unread) endUnread({ request, response }, body, clock)
  else response.end(body)
}

/** The one place where a request ends, however it did. */
function settle({ clock, metrics, accessLog }: Pipeline, passage: Passage): void {
  const { request, response, operation, exchange } = passage
  const durationMs = clock.monotonicMs() - passage.startMs
  const { method = '' } = request
  // A client that left before its answer began has got none, whatever stands in it by default.
  const { code } = passage
  const status = response.headersSent || !code ? response.statusCode : CODES[code].status
  metrics.settled({ method, endpoint: operation.name, status, durationMs })
  accessLog.add({
    method,
    path: operation.path,
    status,
    code,
    requestId: passage.requestId,
    revision: passage.routing?.table.head.revision ?? null,
    key: passage.key?.id ?? null,
    model: passage.model,
    backend: passage.live?.id ?? null,
    attempts: passage.attempts,
    durationMs: Math.round(durationMs),
    firstByteMs: passage.firstByteMs === null ? null : Math.round(passage.firstByteMs),
    bytesOut: exchange?.bytes ?? 0,
  })
}

function isJson(contentType: string | undefined): boolean {
  return /^application\/json\s*(;|$)/i.test(contentType ?? '')
}
