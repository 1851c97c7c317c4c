import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type Socket } from 'node:net'
import { join } from 'node:path'
import { type Bus, openDiskCopy } from '@signalbox/bus'
import { openai } from '@signalbox/dialects'
import {
  answerOps,
  type Clock,
  type ListenAddress,
  listen,
  type Log,
  type Metrics,
  type Readiness,
  type Running,
} from '@signalbox/host'
import { type Load } from '@signalbox/model'
import { createAccessLog } from './access-log.ts'
import { answer, wantedBy } from './answers.ts'
import { type ProxyConfig, PROXY_LISTEN } from './config.ts'
import { Configuration } from './configuration.ts'
import { type Exchange } from './exchange.ts'
import { downstream, internal } from './failures.ts'
import { createProxyMetrics, registerGauges } from './metrics.ts'
import { handle, type Pipeline } from './pipeline.ts'
import { createTimerWheel } from './timer-wheel.ts'

export interface ProxyDeps {
  readonly bus: Bus
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  readonly metrics: Metrics
}

export interface RunningProxy extends Running {
  readonly addresses: readonly ListenAddress[]
  readonly configuration: Configuration
}

const HEADER_BYTES_MAX = 16_384
/** headersTimeout below requestTimeout and frequent checks, or Node applies neither in time. */
const HEADERS_TIMEOUT_MS = 15_000
const REQUEST_TIMEOUT_MS = 120_000
const CONNECTIONS_CHECK_MS = 1_000
const KEEP_ALIVE_MS = 75_000
const IDLE_POLL_MS = 50
const BREAK_OFF_MS = 200
const ID_RADIX = 36

/** Starts the data plane: follows the log, listens, relays. stop() drains. */
export async function startProxy(config: ProxyConfig, deps: ProxyDeps): Promise<RunningProxy> {
  const { bus, clock, random, log, metrics } = deps
  const exchanges = new Set<Exchange>()
  const state = { inFlight: 0, requests: 0, draining: false }
  const load = () => loadOf(state)
  const disk = openDiskCopy(join(config.dataDir, 'proxy', config.id))
  const configuration = new Configuration({ config, bus, disk, clock, random, log, load })
  const wheel = createTimerWheel(clock)
  const accessLog = createAccessLog(clock, log)
  registerGauges(metrics, { configuration, inFlight: () => state.inFlight })
  const prefix = `${config.id}-${Math.floor(random() * Number.MAX_SAFE_INTEGER).toString(ID_RADIX)}`
  const newRequestId = () => `${prefix}-${(++state.requests).toString(ID_RADIX)}`
  const pipeline: Pipeline = {
    clock,
    random,
    configuration,
    wheel,
    accessLog,
    exchanges,
    newRequestId,
    metrics: createProxyMetrics(metrics),
    bodyBytesMax: config.bodyBytesMax,
    draining: () => state.draining,
  }
  const ops = {
    readiness: () => readiness(configuration, state.draining),
    metrics,
    metricsAccess: config.metricsAccess,
  }

  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    if (state.draining) response.shouldKeepAlive = false
    if (answerOps(request, response, ops)) return
    const wanted = wantedBy(request.method ?? '', request.url ?? '')
    if (wanted.kind !== 'operation') {
      return answer(wanted, { request, response }, { configuration, requestId: newRequestId() })
    }
    state.inFlight++
    // Until the last byte is with the kernel: a drain must not cut what is only written.
    response.once('close', () => state.inFlight--)
    handle(pipeline, wanted.operation, { request, response }).catch((error: unknown) => {
      log.error({ cause: String(error) }, 'a request failed by our own fault')
      response.destroy()
    })
  }
  const servers = config.listen.map(() => createListener(config.bodyBytesMax, onRequest))
  const addresses = await Promise.all(
    servers.map((server, index) => listenOn(server, config.listen[index])),
  )
  log.info({ addresses, id: config.id }, 'proxy listens')

  return {
    addresses,
    configuration,
    stop: async () => {
      state.draining = true
      await drain({
        config,
        clock,
        configuration,
        servers,
        exchanges,
        busy: () => state.inFlight > 0,
      })
      wheel.stop()
      accessLog.stop()
      await configuration.stop()
    },
  }
}

interface Draining {
  readonly config: ProxyConfig
  readonly clock: Clock
  readonly configuration: Configuration
  readonly servers: readonly Server[]
  readonly exchanges: ReadonlySet<Exchange>
  readonly busy: () => boolean
}

/**
 * Readiness is off already. Goes on accepting while balancers notice, then stops accepting, lets
 * what runs finish until the deadline, and ends the rest with an error event.
 */
async function drain(parts: Draining): Promise<void> {
  const { config, clock, configuration, servers, exchanges, busy } = parts
  configuration.following.drain()
  await wait(clock, config.drainNoticeMs)
  const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)))
  for (const server of servers) server.closeIdleConnections()
  await idle({ clock, deadlineMs: config.drainDeadlineMs, busy })
  for (const exchange of exchanges) exchange.abort(internal('draining', 'the proxy shuts down'))
  await idle({ clock, deadlineMs: BREAK_OFF_MS, busy })
  for (const server of servers) server.closeAllConnections()
  await Promise.all(closed)
}

/** node:http behind one function, so that another transport can take its place. */
function createListener(
  bodyBytesMax: number,
  onRequest: (request: IncomingMessage, response: ServerResponse) => void,
): Server {
  const server = createServer({
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: CONNECTIONS_CHECK_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
  })
  server.on('request', onRequest)
  server.on('checkContinue', (request, response) => {
    const declared = Number(request.headers['content-length'] ?? 0)
    if (declared <= bodyBytesMax) response.writeContinue()
    onRequest(request, response)
  })
  server.on('clientError', answerClientError)
  return server
}

function loadOf({ requests, inFlight }: { requests: number; inFlight: number }): Load {
  return { requestsTotal: requests, inFlight, rssBytes: process.memoryUsage.rss() }
}

function listenOn(server: Server, address: ListenAddress | undefined): Promise<ListenAddress> {
  if (!address) throw new Error('a server without an address')
  return listen(server, address, PROXY_LISTEN.name)
}

/** A proxy that has a table is ready, whatever became of the control plane. */
function readiness(configuration: Configuration, draining: boolean): Readiness {
  const { configured, active, state, reasons, nacks } = configuration.following.state()
  const detail = { revision: active, state, nacks: nacks.length, notes: reasons }
  if (draining) return { ready: false, reasons: ['draining'], detail }
  return {
    ready: configured,
    reasons: configured ? [] : ['no configuration yet', ...reasons],
    detail,
  }
}

const CLIENT_ERRORS: Readonly<
  Record<string, [status: string, code: 'headers_too_large' | 'request_timeout']>
> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'headers_too_large'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'request_timeout'],
}

/** What Node's parser itself refuses, answered in the API's shape. The connection ends. */
function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy()
  const [status, code] = CLIENT_ERRORS[error.code ?? ''] ?? [
    '400 Bad Request',
    'malformed_request' as const,
  ]
  const body = openai.errorBody(downstream(code, 'the request is not valid HTTP'), '')
  const head = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}`
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\n${head}\r\n\r\n${body}`)
}

function wait(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve))
}

/** Until nothing is under way, or the deadline. */
async function idle(options: {
  clock: Clock
  deadlineMs: number
  busy: () => boolean
}): Promise<void> {
  const { clock, deadlineMs, busy } = options
  const endMs = clock.monotonicMs() + deadlineMs
  while (busy() && clock.monotonicMs() < endMs) await wait(clock, IDLE_POLL_MS)
}
