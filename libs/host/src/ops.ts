import { timingSafeEqual } from 'node:crypto'
import { type IncomingMessage, type ServerResponse } from 'node:http'
import { type Metrics } from './metrics.ts'
import { sha256 } from './seal.ts'

/** Whether a process can do its job, and if not, why: stable words, one a reason. */
export interface Readiness {
  readonly ready: boolean
  readonly reasons: readonly string[]
  /** More for people: revision, state ... */
  readonly detail?: Readonly<Record<string, unknown>>
}

export interface Ops {
  readonly readiness: () => Readiness
  readonly metrics: Metrics
  /** What /metrics answers where that is more than this process has. */
  readonly metricsText?: () => Promise<string>
  readonly metricsAccess: MetricsAccess
}

export interface MetricsAccess {
  readonly enabled: boolean
  readonly credentials: { readonly username: string; readonly password: string } | null
}

export const OPEN_METRICS: MetricsAccess = { enabled: true, credentials: null }

/** Answers GET /healthz, /readyz and /metrics. False: the request is not one of these. */
export function answerOps(request: IncomingMessage, response: ServerResponse, ops: Ops): boolean {
  const path = request.url?.split('?', 1)[0]
  if (request.method !== 'GET' && request.method !== 'HEAD') return false
  if (path === '/healthz') return sendJson(response, 200, { alive: true })
  if (path === '/readyz') {
    const readiness = ops.readiness()
    return sendJson(response, readiness.ready ? 200 : 503, readiness)
  }
  if (path !== '/metrics') return false
  answerMetrics(request, response, ops)
  return true
}

function answerMetrics(request: IncomingMessage, response: ServerResponse, ops: Ops): void {
  const { enabled, credentials } = ops.metricsAccess
  if (!enabled)
    return void sendJson(response, 404, { error: 'metrics are off (SIGNALBOX_METRICS=off)' })
  if (credentials && !authorised(request.headers.authorization, credentials)) {
    response.setHeader('www-authenticate', 'Basic realm="signalbox metrics"')
    return void sendJson(response, 401, { error: 'metrics need basic authentication' })
  }
  const { metrics, metricsText = () => metrics.metrics() } = ops
  metricsText().then(
    (text) => {
      response.writeHead(200, { 'content-type': metrics.contentType })
      response.end(text)
    },
    () => void sendJson(response, 500, { error: 'metrics could not be collected' }),
  )
}

function authorised(
  header: string | undefined,
  expected: { username: string; password: string },
): boolean {
  const given = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(header ?? '')?.[1] ?? ''
  const wanted = Buffer.from(`${expected.username}:${expected.password}`).toString('base64')
  return timingSafeEqual(sha256(Buffer.from(given)), sha256(Buffer.from(wanted)))
}

function sendJson(response: ServerResponse, status: number, body: unknown): true {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' })
  response.end(`${JSON.stringify(body)}\n`)
  return true
}
