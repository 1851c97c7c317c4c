import { dialectNamed } from '@signalbox/dialects'
import { CODES, type Failure, TOKENS_UNKNOWN } from '@signalbox/model'
import { type CompiledRoute, match, mayUse } from '@signalbox/routing'
import { authenticate } from './authenticate.ts'
import { served } from './cache/cached.ts'
import { endUnread } from './end-unread.ts'
import { downstream, internal, statusOf } from './failures.ts'
import { narrowed } from './owned/owner-route.ts'
import { keyOf, ownerIn, passToOwner, UNKNOWN_ID } from './owned/pass-to-owner.ts'
import { type Accepted, type Passage, type Pipeline } from './passage.ts'
import { readRequest } from './read-request.ts'
import { outcomesOf, recordOf } from './request-record.ts'
import { RequestTrace } from './request-trace.ts'
import { guessTokens } from './tokens/guess.ts'

const NO_HEADERS: readonly string[] = []
/** How long a request for an unknown model waits while a new backend's models are found out. */
const DISCOVERY_WAIT_MS = 1_000
const RETRY_AFTER_S = '1'
const RETRY_LATER = new Set([
  'upstream_busy',
  'no_backend',
  'backend_full',
  'bodies_full',
  'overloaded',
  'not_ready',
  'draining',
])

/**
 * accept -> guard -> authenticate -> limit -> read -> scan -> match -> reserve -> cache -> pick ->
 * attempt -> relay -> settle, in this order.
 */
export async function handle(pipeline: Pipeline, accepted: Accepted): Promise<void> {
  const passage = begin(pipeline, accepted)
  const failure = await pass(pipeline, passage).catch((error: unknown) => {
    pipeline.log.error({ cause: String(error) }, 'a request failed by our own fault')
    return internal('proxy_error', 'the proxy failed')
  })
  pipeline.budget.give(passage.held.bytes)
  if (!failure) passage.keepAlive?.stop()
  if (failure) refuse(pipeline, passage, failure)
  settle(pipeline, passage)
}

async function pass(pipeline: Pipeline, passage: Passage): Promise<Failure | undefined> {
  const { request } = passage
  if (passage.unsafe) return passage.unsafe
  const shed = pipeline.overload.refuses()
  if (shed) return shed
  const current = pipeline.configuration.current()
  if (!current) return internal('not_ready', 'no configuration yet')
  const authenticated = authenticate(request.headers, current.table, pipeline.clock.nowMs())
  if (!authenticated.ok) return authenticated.error
  passage.key = authenticated.value
  if (passage.operation.websocket) {
    return downstream('upgrade_required', 'expected a WebSocket: upgrade: websocket')
  }
  const limited = pipeline.limits.admit(passage, current.table)
  if (limited) return limited
  if (passage.operation.model === 'none') return passToOwner(pipeline, passage)
  const read = await readRequest(pipeline, passage)
  if (!read.ok) return read.error
  const { model, ...asked } = read.value
  if (model === undefined) return downstream('missing_model', 'the request names no model')
  passage.model = model
  const { scan, body } = asked
  if (scan.prompt) passage.prompt = { body, ...scan.prompt }

  const route = await findRoute(pipeline, passage, model)
  if (!route) {
    return downstream('model_not_found', `there is no model ${JSON.stringify(model)}`)
  }
  if (passage.key && !mayUse(passage.key, route, model)) {
    const message = `the key may not use the model ${JSON.stringify(model)}`
    return downstream('key_not_allowed', message)
  }
  const named = pipeline.ids.namedIn(body, keyOf(passage))
  const owner = ownerIn(named)
  if (!owner.ok) return owner.error
  passage.route = owner.value === undefined ? route : narrowed(route, owner.value)
  if (!passage.route) return UNKNOWN_ID
  const spent = pipeline.limits.reserve(passage, passage.route, body)
  if (spent) return spent
  return served(pipeline, passage, { route: passage.route, ...asked, edits: named.edits })
}

function begin({ clock, tracer }: Pipeline, accepted: Accepted): Passage {
  return {
    ...accepted,
    startMs: clock.monotonicMs(),
    atMs: clock.nowMs(),
    key: null,
    admission: null,
    refused: null,
    held: { bytes: 0 },
    model: null,
    routing: undefined,
    live: undefined,
    exchange: undefined,
    recorder: undefined,
    cache: null,
    attempts: 0,
    route: undefined,
    attempted: [],
    tokens: TOKENS_UNKNOWN,
    prompt: undefined,
    ownId: undefined,
    price: undefined,
    limitHeaders: NO_HEADERS,
    firstByteMs: null,
    keepAlive: undefined,
    trace: tracer ? new RequestTrace(tracer, clock, accepted) : undefined,
    code: null,
    fallback: null,
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

/**
 * Our own error answer. A body that was not read ends the connection: nobody may read it as a
 * request.
 */
function refuse(
  { configuration, clock, limits }: Pipeline,
  passage: Passage,
  failure: Failure,
): void {
  const { response, request, requestId, operation } = passage
  passage.code = failure.code
  if (passage.keepAlive?.fail(failure)) return
  if (response.headersSent || response.destroyed) return
  const unsafe = failure.code === 'malformed_request'
  const unread = !unsafe && !request.complete
  if (unsafe || unread) response.shouldKeepAlive = false
  const body = dialectNamed(operation.dialect).errorBody(failure, requestId)
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
  headers.push(...limits.headers(passage))
  if (RETRY_LATER.has(failure.code)) headers.push('retry-after', RETRY_AFTER_S)
  // What can be tried again was, as often as the policy lets: SDKs must not multiply that.
  if (failure.source === 'upstream' && failure.nothingSent) headers.push('x-should-retry', 'false')
  response.writeHead(statusOf(failure), headers)
  if (unread) endUnread({ request, response }, body, clock)
  else response.end(body)
}

/** The one place where a request ends, however it did. */
function settle(pipeline: Pipeline, passage: Passage): void {
  const { clock, metrics, accessLog, usage, proxy, limits } = pipeline
  const { request, response, operation, exchange } = passage
  const durationMs = clock.monotonicMs() - passage.startMs
  const { method = '' } = request
  // A client that left before its answer began has got none, whatever stands in it by default.
  const { code } = passage
  const status = response.headersSent || !code ? response.statusCode : CODES[code].status
  metrics.settled({ method, endpoint: operation.name, status, durationMs })
  passage.routing?.counting?.add({ status, code, firstByteMs: passage.firstByteMs })
  if (passage.tokens === TOKENS_UNKNOWN) passage.tokens = exchange?.tokens() ?? TOKENS_UNKNOWN
  limits.settle(passage)
  passage.trace?.end(passage, status)
  const one = recordOf(passage, { proxy, status, durationMs })
  const guess = guessTokens(pipeline.tokenizer, passage)
  if (guess) void guess.then((tokens) => usage.add(limits.priced(passage, { ...one, tokens })))
  else usage.add(limits.priced(passage, one))
  accessLog.add({
    method,
    path: operation.path,
    status,
    code,
    requestId: passage.requestId,
    revision: passage.routing?.table.head.revision ?? null,
    key: passage.key?.id ?? null,
    model: passage.model,
    fallback: passage.fallback,
    cache: passage.cache,
    backend: passage.live?.id ?? null,
    attempts: passage.attempts,
    outcomes: outcomesOf(passage),
    durationMs: Math.round(durationMs),
    firstByteMs: passage.firstByteMs === null ? null : Math.round(passage.firstByteMs),
    bytesOut: exchange?.bytes ?? 0,
  })
}
