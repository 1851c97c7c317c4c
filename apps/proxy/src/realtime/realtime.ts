import { type IncomingHttpHeaders, type IncomingMessage, STATUS_CODES } from 'node:http'
import { type Duplex } from 'node:stream'
import { dialectNamed, type Operation, OPERATIONS } from '@signalbox/dialects'
import { CODES, type Failure, TOKENS_UNKNOWN } from '@signalbox/model'
import { match, mayUse, record, whyNone } from '@signalbox/routing'
import { authenticate } from '../authenticate.ts'
import { type Placed } from '../bag.ts'
import { downstream, internal } from '../failures.ts'
import { requestHeaders } from '../headers.ts'
import { type Accepted, type Passage, type Pipeline } from '../passage.ts'
import { outcomesOf, recordOf, toMicroseconds } from '../request-record.ts'
import { joinSockets, type Opened, openUpstream } from './tunnel.ts'

const SWITCHING = 101
const NO_BODY = Buffer.alloc(0)
/** A browser can set no header, and shows its key so. */
const KEY_PROTOCOL = 'openai-insecure-api-key.'
const HANDSHAKE = ['sec-websocket-key', 'sec-websocket-version', 'sec-websocket-extensions']
const ANSWERED = ['sec-websocket-accept', 'sec-websocket-extensions', 'sec-websocket-protocol']
const found = OPERATIONS.find(({ websocket }) => websocket)
if (!found) throw new Error('no operation is a WebSocket')
const OPERATION: Operation = found

/** Whether a request is to become a WebSocket; every other upgrade is passed over. */
export function isRealtime({ method, url = '', headers }: IncomingMessage): boolean {
  const asks = (headers.upgrade ?? '').toLowerCase() === 'websocket'
  return asks && method === OPERATION.method && url.split('?', 1)[0] === OPERATION.path
}

export interface Knocking {
  readonly request: IncomingMessage
  readonly socket: Duplex
  /** Bytes of the client that came behind its request. */
  readonly head: Buffer
  readonly requestId: string
  readonly unsafe: Failure | undefined
}

type Session = Omit<Passage, keyof Accepted> &
  Omit<Accepted, 'response'> &
  Pick<Knocking, 'socket' | 'head'>

/** guard -> authenticate -> match -> pick -> open -> join -> settle; then `done`, once. */
export async function serveRealtime(
  pipeline: Pipeline,
  knocking: Knocking,
  done: () => void,
): Promise<void> {
  const { clock } = pipeline
  const session: Session = {
    ...{ ...knocking, operation: OPERATION, startMs: clock.monotonicMs(), atMs: clock.nowMs() },
    ...{ key: null, held: { bytes: 0 }, model: null, routing: undefined, live: undefined },
    ...{ exchange: undefined, attempts: 0, route: undefined, attempted: [], prompt: undefined },
    ...{ tokens: TOKENS_UNKNOWN, firstByteMs: null, code: null, ownId: undefined, fallback: null },
    ...{ recorder: undefined, cache: null, price: undefined, limitHeaders: [] },
    ...{ admission: null, refused: null },
  }
  const { socket } = knocking
  socket.on('error', () => {})
  const settled = (status: number, bytes: number) => {
    settle(pipeline, session, { status, bytes })
    done()
  }
  try {
    const failure = await open(pipeline, session, settled)
    if (failure) settled(refuse(pipeline, session, failure), 0)
  } catch (error) {
    pipeline.log.error({ cause: String(error) }, 'a WebSocket failed by our own fault')
    settled(refuse(pipeline, session, internal('proxy_error', 'the proxy failed')), 0)
  }
}

type Settled = (status: number, bytes: number) => void

async function open(
  pipeline: Pipeline,
  session: Session,
  settled: Settled,
): Promise<Failure | undefined> {
  const { request, unsafe } = session
  if (unsafe) return unsafe
  const routing = pipeline.configuration.current()
  if (!routing) return internal('not_ready', 'no configuration yet')
  const shown = withShownKey(request.headers)
  const authenticated = authenticate(shown, routing.table, pipeline.clock.nowMs())
  if (!authenticated.ok) return authenticated.error
  const key = authenticated.value
  const model = new URLSearchParams(request.url?.split('?')[1] ?? '').get('model')
  session.key = key
  session.routing = routing
  session.model = model
  const limited = pipeline.limits.admit(session, routing.table)
  if (limited) return limited
  if (!model) return downstream('missing_model', 'the query names no model')
  const route = match(routing.table, model)
  if (!route) return downstream('model_not_found', `there is no model ${JSON.stringify(model)}`)
  if (key && !mayUse(key, route, model)) {
    return downstream('key_not_allowed', `the key may not use the model ${JSON.stringify(model)}`)
  }
  session.route = route
  const spent = pipeline.limits.reserve(session, route, NO_BODY)
  if (spent) return spent
  return attempts(pipeline, { ...session, route, routing, session }, settled)
}

interface Trying {
  readonly session: Session
  readonly route: NonNullable<Session['route']>
  readonly routing: NonNullable<Session['routing']>
}

/** At each backend once, until one lets us in or says no in words. */
async function attempts(
  pipeline: Pipeline,
  { session, route, routing }: Trying,
  settled: Settled,
): Promise<Failure | undefined> {
  const { clock, random, place } = pipeline
  const tried: number[] = []
  let failure: Failure | undefined
  while (session.attempts <= route.policy.retry.maxRetries && !session.socket.destroyed) {
    const context = { live: routing.live, nowMs: clock.monotonicMs(), random, tried, place }
    const { target, inputs } = record(route, context)
    if (!target) {
      const code = whyNone(route, context)
      return failure ?? internal(code, `no backend can take the model ${JSON.stringify(route.id)}`)
    }
    tried.push(target.backend.index)
    const live = routing.live[target.backend.index]
    const path = live?.paths.get(OPERATION.path)
    if (!live || !path) {
      failure ??= downstream('untranslatable', `the backend does not serve ${OPERATION.path}`)
      continue
    }
    session.live = live
    session.attempts++
    live.inFlight++
    const startMs = clock.monotonicMs()
    const opened = await opening(pipeline, session, { live, path, model: target.model, route })
    const outcome = opened.kind === 'failed' ? opened.failure.code : 'answered'
    const durationMs = clock.monotonicMs() - startMs
    pipeline.metrics.attempt({ backend: live.id, outcome, durationMs })
    const ms = toMicroseconds(durationMs)
    session.attempted.push({ backend: live.id, outcome, ms, inputs })
    const leave = () => {
      live.inFlight--
      pipeline.configuration.reap(live)
    }
    if (opened.kind === 'open') {
      pass(pipeline, session, { opened, ended: (bytes) => (leave(), settled(SWITCHING, bytes)) })
      return undefined
    }
    leave()
    if (opened.kind === 'refused') {
      settled(answerRefusal(session, opened), opened.body.length)
      return undefined
    }
    failure = opened.failure
  }
  return failure ?? downstream('request_timeout', 'the client left')
}

interface Chosen extends Pick<Trying, 'route'> {
  readonly live: NonNullable<Session['live']>
  readonly path: string
  readonly model: string
}

async function opening(
  { clock }: Pipeline,
  { request, requestId, socket }: Session,
  { live, path, model, route }: Chosen,
): Promise<Opened> {
  const leaving = new AbortController()
  const leave = () => leaving.abort()
  socket.once('close', leave)
  const { timeouts } = live.backend.spec
  const own = [
    ...HANDSHAKE.flatMap((name) => pairOf(request.headers, name)),
    ...protocolsOf(request.headers).slice(0, 1),
  ]
  const headers = requestHeaders(request.rawHeaders, [
    ['connection', 'Upgrade'],
    ['upgrade', 'websocket'],
    ['host', new URL(live.backend.spec.url).host],
    ['x-request-id', requestId],
    ...own,
    ...(live.headers.get(OPERATION.dialect) ?? []),
  ])
  const opened = await openUpstream(live, {
    path: `${path}?model=${encodeURIComponent(model)}`,
    headers,
    clock,
    withinMs: timeouts.connectMs ?? route.policy.timeouts.connectMs,
    signal: leaving.signal,
  })
  socket.off('close', leave)
  return opened
}

type Pair = readonly [name: string, value: string]

function pairOf(headers: IncomingHttpHeaders, name: string): readonly Pair[] {
  const value = headers[name]
  return typeof value === 'string' ? [[name, value]] : []
}

/** Without the one that shows a key: no credential of a client goes to a backend. */
function protocolsOf(headers: IncomingHttpHeaders): readonly Pair[] {
  const kept = protocolsIn(headers).filter((one) => !one.startsWith(KEY_PROTOCOL))
  return kept.length > 0 ? [['sec-websocket-protocol', kept.join(', ')]] : []
}

function protocolsIn({ 'sec-websocket-protocol': given = '' }: IncomingHttpHeaders): string[] {
  return given
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')
}

function withShownKey(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const shown = protocolsIn(headers).find((one) => one.startsWith(KEY_PROTOCOL))
  if (shown === undefined || headers.authorization !== undefined) return headers
  return { ...headers, authorization: `Bearer ${shown.slice(KEY_PROTOCOL.length)}` }
}

interface Passing {
  readonly opened: Extract<Opened, { kind: 'open' }>
  readonly ended: (bytes: number) => void
}

function pass({ exchanges, clock }: Pipeline, session: Session, { opened, ended }: Passing): void {
  const { socket, head, requestId } = session
  session.firstByteMs = clock.monotonicMs() - session.startMs
  const { headers } = opened.answer
  const named = ANSWERED.flatMap((name) => pairOf(headers, name))
  const lines = [...named, ...ownHeaders(session)].map(([name, value]) => `${name}: ${value}\r\n`)
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n` +
      `x-request-id: ${requestId}\r\n${lines.join('')}\r\n`,
  )
  if (opened.head.length > 0) socket.write(opened.head)
  if (head.length > 0) opened.socket.write(head)
  const drained: Abortable = { place: -1, abort: () => socket.destroy() }
  exchanges.add(drained)
  joinSockets(socket, opened.socket, (bytes) => {
    exchanges.remove(drained)
    ended(bytes + opened.head.length)
  })
}

/** What a drain ends at its deadline. */
export interface Abortable extends Placed {
  abort(failure: Failure): void
}

function ownHeaders({ routing, live, attempts }: Session): readonly Pair[] {
  return [
    ['x-signalbox-revision', String(routing?.revision ?? '')],
    ['x-signalbox-backend', live?.id ?? ''],
    ['x-signalbox-attempts', String(attempts)],
  ]
}

function refuse({ limits }: Pipeline, session: Session, failure: Failure): number {
  const { status } = CODES[failure.code]
  session.code = failure.code
  const body = dialectNamed(OPERATION.dialect).errorBody(failure, session.requestId)
  answer(session, { status, body: Buffer.from(body), headers: limits.headers(session) })
  return status
}

function answerRefusal(
  session: Session,
  { answer: said, body }: Extract<Opened, { kind: 'refused' }>,
) {
  const status = said.statusCode ?? 502
  answer(session, { status, body, headers: [] })
  return status
}

interface Refusal {
  readonly status: number
  readonly body: Buffer
  /** Name, value, name, value ... */
  readonly headers: readonly string[]
}

function answer({ socket, requestId }: Session, { status, body, headers }: Refusal): void {
  if (socket.destroyed) return
  let more = ''
  for (let i = 0; i < headers.length; i += 2) more += `${headers[i]}: ${headers[i + 1]}\r\n`
  const head =
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\ncontent-type: application/json\r\n` +
    `content-length: ${body.length}\r\nx-request-id: ${requestId}\r\n${more}` +
    `connection: close\r\n\r\n`
  // A client that keeps its side open must not hold up a drain.
  socket.end(Buffer.concat([Buffer.from(head), body]), () => socket.destroy())
}

function settle(
  { clock, metrics, usage, proxy, accessLog, limits }: Pipeline,
  session: Session,
  { status, bytes }: { readonly status: number; readonly bytes: number },
): void {
  const durationMs = clock.monotonicMs() - session.startMs
  const { key, code, model, firstByteMs } = session
  metrics.settled({ method: OPERATION.method, endpoint: OPERATION.name, status, durationMs })
  limits.settle(session)
  const one = recordOf(session, { proxy, status, durationMs })
  usage.add(limits.priced(session, { ...one, bytes }))
  accessLog.add({
    method: OPERATION.method,
    path: OPERATION.path,
    ...{ status, code, requestId: session.requestId, model, fallback: null, cache: null },
    revision: session.routing?.table.head.revision ?? null,
    key: key?.id ?? null,
    backend: session.live?.id ?? null,
    attempts: session.attempts,
    outcomes: outcomesOf(session),
    durationMs: Math.round(durationMs),
    firstByteMs: firstByteMs === null ? null : Math.round(firstByteMs),
    bytesOut: bytes,
  })
}
