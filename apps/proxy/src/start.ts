import { type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type Duplex } from 'node:stream'
import { type Bus, type SnapshotSource } from '@signalbox/bus'
import {
  answerOps,
  type Clock,
  type ListenAddress,
  type Log,
  type Metrics,
  type Ops,
  type Readiness,
  type Running,
} from '@signalbox/host'
import { type Load } from '@signalbox/model'
import { createAccessLog } from './access-log.ts'
import { answer, endpointOf, wantedBy } from './answers.ts'
import { Bag } from './bag.ts'
import { BodyBudget, LARGEST_AT_ONCE } from './body-budget.ts'
import { AnswerCache } from './cache/answer-cache.ts'
import { type ProxyConfig } from './config.ts'
import { Configuration } from './configuration.ts'
import { drain } from './drain.ts'
import { internal } from './failures.ts'
import { asksToClose, guard } from './guard.ts'
import { saneRequestId } from './headers.ts'
import { Hedges } from './hedge.ts'
import { createLimiterMetrics } from './limiter-metrics.ts'
import { type LimitsOptions, RequestLimits } from './limits.ts'
import { type Live } from './live-backend.ts'
import { createListener } from './listener.ts'
import { createProxyMetrics, type ProxyMetrics, registerGauges } from './metrics.ts'
import { Overload } from './overload.ts'
import { OwnedIds } from './owned/owned-ids.ts'
import { type Pipeline } from './passage.ts'
import { handle } from './pipeline.ts'
import { Prewarm } from './prewarm.ts'
import { type Abortable, serveRealtime } from './realtime/realtime.ts'
import { type RecordingProxy } from './request-record.ts'
import { openProxyTracer } from './request-trace.ts'
import { RetryBudgets } from './retry-budgets.ts'
import { alone, type Seat } from './seat.ts'
import { createTimerWheel } from './timer-wheel.ts'
import { Tokenizer } from './tokens/tokenizer.ts'
import { boundaryOf } from './upload/multipart.ts'

export interface ProxyDeps {
  readonly bus: Bus
  /** A snapshot that somebody carries here, beside the bus. */
  readonly folder?: SnapshotSource | undefined
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  readonly metrics: Metrics
}

export interface RunningProxy extends Running {
  readonly addresses: readonly ListenAddress[]
  readonly configuration: Configuration
  /** Every answer from now on ends its connection. */
  leave(): void
}

export const ID_RADIX = 36

interface State {
  inFlight: number
  requests: number
  draining: boolean
}

/** Starts the data plane: follows the log, listens, relays. stop() drains. */
export function startProxy(config: ProxyConfig, deps: ProxyDeps): Promise<RunningProxy> {
  return startDataPlane(config, deps, alone(config, deps))
}

/** The same from another seat: one of several workers. */
export async function startDataPlane(
  config: ProxyConfig,
  deps: Omit<ProxyDeps, 'bus'>,
  seat: Seat,
): Promise<RunningProxy> {
  const { clock, random, log, metrics } = deps
  const tracer = await openProxyTracer(config, metrics)
  const exchanges = new Bag<Abortable>()
  const state: State = { inFlight: 0, requests: 0, draining: false }
  const proxyMetrics = createProxyMetrics(metrics)
  const prewarm = new Prewarm({ clock, log, metrics })
  const told = { ...tellOf(proxyMetrics, prewarm), load: () => loadOf(state) }
  const configuration = new Configuration({ config, seat, clock, log, ...told })
  const bodyBytesMax = () =>
    Math.min(config.bodyBytesMax, configuration.current()?.table.bodyBytesMax ?? Infinity)
  const wheel = createTimerWheel(clock)
  const accessLog = createAccessLog(clock, log)
  const boot = Math.floor(random() * Number.MAX_SAFE_INTEGER).toString(ID_RADIX)
  const proxy = recordingAs(config.id, boot)
  const usage = seat.openUsage(boot)
  const tokenizer = new Tokenizer(clock)
  const idPrefix = `${config.id}-${boot}`
  const limits = openLimits({ clock, metrics, seat, idPrefix }, () => configuration.backends())
  const bodyBytes = () => pipeline.budget.bytes
  registerGauges(metrics, { configuration, inFlight: () => state.inFlight, bodyBytes, limits })
  const pipeline: Pipeline = {
    clock,
    random,
    log,
    configuration,
    wheel,
    accessLog,
    usage,
    tokenizer,
    ids: new OwnedIds(config),
    proxy,
    exchanges,
    metrics: proxyMetrics,
    retryBudgets: new RetryBudgets(),
    hedges: new Hedges(),
    tracer,
    overload: overloadOf({ config, clock, metrics }, seat.workers, () => state.inFlight),
    answers: answersOf({ config, clock, metrics, log }, seat.workers),
    limits,
    place: config.labels,
    bodyBytesMax,
    uploadBytesMax: config.uploadBytesMax,
    budget: new BodyBudget(Math.max(1, LARGEST_AT_ONCE / seat.workers) * config.bodyBytesMax),
  }
  const ops = opsOf(pipeline, seat, { metrics, metricsAccess: config.metricsAccess })
  const handling = { pipeline, ops, state, idPrefix, seat }
  const { servers, addresses } = await seat.open(() => serverOf(handling))
  log.info({ addresses, id: config.id }, 'proxy listens')

  return {
    addresses,
    configuration,
    leave: () => void (state.draining = true),
    stop: async () => {
      state.draining = true
      configuration.following.drain()
      await drain({ config, clock, servers, exchanges, busy: () => state.inFlight > 0 })
      const { overload, answers } = pipeline
      for (const one of [prewarm, overload, wheel, limits, accessLog, answers]) one.stop()
      await tokenizer.stop().then(() => usage.stop())
      await tracer?.stop()
      await configuration.stop()
    },
  }
}

function recordingAs(id: string, boot: string): RecordingProxy {
  let records = 0
  return { id, nextRecordId: () => `${boot}-${(++records).toString(ID_RADIX)}` }
}

function tellOf({ ejected, forget }: ProxyMetrics, prewarm: Prewarm) {
  const onSwap = (live: readonly Live[]) => prewarm.look(live)
  return { onEjected: ejected, onRemoved: forget, onSwap }
}

function overloadOf(
  { config, ...deps }: Pick<ProxyDeps, 'clock' | 'metrics'> & { config: ProxyConfig },
  workers: number,
  inFlight: () => number,
): Overload {
  const { lagMsMax, memoryBytesMax: bytes } = config
  const memoryBytesMax = bytes === null ? null : bytes / workers
  const rssBytes = () => process.memoryUsage.rss()
  return new Overload({ ...deps, lagMsMax, memoryBytesMax, rssBytes, inFlight })
}

function answersOf(
  {
    config,
    clock,
    metrics,
    log,
  }: Pick<ProxyDeps, 'clock' | 'metrics' | 'log'> & { config: ProxyConfig },
  workers: number,
): AnswerCache {
  const { redisUrl: url, redisAnswerMs: answerMs, fleet, masterKey, cacheBytesMax } = config
  const shared = url === null ? null : { url, answerMs, fleet, masterKey, log }
  return new AnswerCache({ clock, metrics, bytesMax: cacheBytesMax / workers, shared })
}

/** Sockets that leave HTTP: only those that createListener() lets through. */
function upgradeHandler(pipeline: Pipeline, state: State, idPrefix: string) {
  return (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const { url = '', headers, httpVersion, rawHeaders } = request
    state.requests++
    state.inFlight++
    const requestId =
      saneRequestId(headers['x-request-id']) ?? `${idPrefix}-${state.requests.toString(ID_RADIX)}`
    const shutting = state.draining ? internal('draining', 'the proxy shuts down') : undefined
    const unsafe = guard({ httpVersion, url, rawHeaders }) ?? shutting
    const knocking = { request, socket, head, requestId, unsafe }
    void serveRealtime(pipeline, knocking, () => state.inFlight--)
  }
}

function serverOf(handling: Handling): Server {
  const { pipeline, state, idPrefix } = handling
  const bytesMax = (type: string | undefined) => bytesMaxOf(pipeline, type)
  const server = createListener(bytesMax, requestHandler(handling))
  return server.on('upgrade', upgradeHandler(pipeline, state, idPrefix))
}

function bytesMaxOf(pipeline: Pipeline, contentType: string | undefined): number {
  return boundaryOf(contentType) === undefined ? pipeline.bodyBytesMax() : pipeline.uploadBytesMax
}

function opsOf(
  { configuration }: Pipeline,
  seat: Seat,
  access: Pick<Ops, 'metrics' | 'metricsAccess'>,
): Ops {
  const metricsText = () => seat.metricsText()
  return { readiness: () => readiness(configuration, seat), metricsText, ...access }
}

interface LimitsDeps extends Pick<ProxyDeps, 'clock' | 'metrics'> {
  readonly seat: Seat
  readonly idPrefix: string
}

function openLimits(
  { clock, metrics, seat, idPrefix: from }: LimitsDeps,
  backends: () => Iterable<Live>,
): RequestLimits {
  const openLane: LimitsOptions['openLane'] = (hearing) => seat.openLeases(hearing)
  return new RequestLimits({
    clock,
    metrics: createLimiterMetrics(metrics),
    from,
    openLane,
    backends,
  })
}

interface Handling {
  readonly pipeline: Pipeline
  readonly ops: Ops
  readonly state: State
  readonly idPrefix: string
  readonly seat: Seat
}

/** Sends each request where it belongs: to the ops endpoints, the lists, or the pipeline. */
function requestHandler({ pipeline, ops, state, idPrefix, seat }: Handling) {
  const { clock, configuration, metrics } = pipeline
  return (request: IncomingMessage, response: ServerResponse): void => {
    const { method = '', url = '', headers, httpVersion, rawHeaders } = request
    if (state.draining || asksToClose(httpVersion, headers.connection)) {
      response.shouldKeepAlive = false
    }
    const unsafe = guard({ httpVersion, url, rawHeaders })
    if (!unsafe && answerOps(request, response, ops)) return
    state.requests++
    state.inFlight++
    // Until the last byte is with the kernel: a drain must not cut what is only written.
    response.once('close', () => state.inFlight--)
    const requestId =
      saneRequestId(headers['x-request-id']) ?? `${idPrefix}-${state.requests.toString(ID_RADIX)}`
    const wanted = wantedBy(method, url)
    const both = { request, response }
    if (wanted.kind === 'operation') {
      const { operation, pathModel, pathId } = wanted
      return void handle(pipeline, { operation, pathModel, pathId, unsafe, requestId, ...both })
    }
    const startMs = clock.monotonicMs()
    response.once('close', () => {
      const durationMs = clock.monotonicMs() - startMs
      const status = response.statusCode
      metrics.settled({ method, endpoint: endpointOf(wanted), status, durationMs })
    })
    answer(wanted, both, { unsafe, configuration, requestId, clock, backends: seat.backends })
  }
}

function loadOf({ requests, inFlight }: State): Load {
  return { requestsTotal: requests, inFlight, rssBytes: process.memoryUsage.rss() }
}

/** A proxy that has a table is ready, whatever became of the control plane. */
function readiness(configuration: Configuration, seat: Seat): Readiness {
  const { configured, active, state, reasons, nacks } = configuration.following.state()
  const detail = { revision: active, state, nacks: nacks.length, notes: reasons, ...seat.detail() }
  if (state === 'draining') return { ready: false, reasons: ['draining'], detail }
  return {
    ready: configured,
    reasons: configured ? [] : ['no configuration yet', ...reasons],
    detail,
  }
}
