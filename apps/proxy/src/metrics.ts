import { Counter, Gauge, gaugesOf, Histogram, type Metrics } from '@signalbox/host'
import { type Health } from '@signalbox/model'
import { type Configuration } from './configuration.ts'
import { type RequestLimits } from './limits.ts'
import { createDecisionMetrics, type DecisionMetrics } from './decision-metrics.ts'

const SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
]
const MS_PER_S = 1_000
const HEALTH: Readonly<Record<Health, number>> = { ready: 1, unknown: 1, warming_up: 0.5, down: 0 }

export interface ProxyMetrics extends DecisionMetrics {
  /** A request is over. `endpoint` is an operation's name or `other`. */
  settled(facts: { method: string; endpoint: string; status: number; durationMs: number }): void
  attempt(facts: { backend: string; outcome: string; durationMs: number }): void
  firstByte(ms: number): void
  gap(ms: number): void
}

/** Children are looked up once and kept: a look-up by labels costs more than the count itself. */
function kept<Child>(make: (...labels: string[]) => Child): (...labels: string[]) => Child {
  const children = new Map<string, Child>()
  return (...labels) => {
    const key = labels.join('\n')
    const child = children.get(key) ?? make(...labels)
    children.set(key, child)
    return child
  }
}

interface BackendSeries {
  readonly duration: { observe(seconds: number): void }
  readonly attempts: (outcome: string) => { inc(): void }
  readonly outcomes: Set<string>
}

export function createProxyMetrics(metrics: Metrics): ProxyMetrics {
  const registers = [metrics]
  const requests = new Counter({
    name: 'http_requests_total',
    help: 'Requests, by method, endpoint and status',
    labelNames: ['method', 'endpoint', 'status'],
    registers,
  })
  const histogram = (name: string, help: string, labelNames: string[] = []) =>
    new Histogram({ name, help, labelNames, buckets: SECONDS, registers })
  const duration = histogram('http_request_duration_seconds', 'Request to end of answer', [
    'endpoint',
  ])
  const backend = histogram('backend_request_duration_seconds', 'Attempt, to its end', ['backend'])
  const firstByte = histogram('signalbox_time_to_first_byte_seconds', 'Attempt to first byte')
  const gap = histogram('signalbox_inter_chunk_gap_seconds', 'Between two chunks of a stream')
  const attempts = new Counter({
    name: 'signalbox_attempts_total',
    help: 'Attempts, by backend and outcome',
    labelNames: ['backend', 'outcome'],
    registers,
  })
  const decisions = createDecisionMetrics(metrics)
  const request = kept((method, endpoint, status) =>
    requests.labels(method ?? '', endpoint ?? '', status ?? ''),
  )
  const durationOf = kept((endpoint) => duration.labels(endpoint ?? ''))
  const perBackend = new Map<string, BackendSeries>()
  const seriesOf = (id: string): BackendSeries => {
    const series = perBackend.get(id) ?? {
      duration: backend.labels(id),
      attempts: kept((outcome) => attempts.labels(id, outcome ?? '')),
      outcomes: new Set<string>(),
    }
    perBackend.set(id, series)
    return series
  }
  return {
    settled: ({ method, endpoint, status, durationMs }) => {
      request(method, endpoint, String(status)).inc()
      durationOf(endpoint).observe(durationMs / MS_PER_S)
    },
    attempt: ({ backend: id, outcome, durationMs }) => {
      const series = seriesOf(id)
      series.outcomes.add(outcome)
      series.attempts(outcome).inc()
      series.duration.observe(durationMs / MS_PER_S)
    },
    ...decisions,
    firstByte: (ms) => firstByte.observe(ms / MS_PER_S),
    gap: (ms) => gap.observe(ms / MS_PER_S),
    forget: (id) => {
      for (const outcome of perBackend.get(id)?.outcomes ?? []) attempts.remove(id, outcome)
      backend.remove(id)
      decisions.forget(id)
      perBackend.delete(id)
    },
  }
}

export interface Gauged {
  readonly configuration: Configuration
  readonly inFlight: () => number
  readonly bodyBytes: () => number
  readonly limits: RequestLimits
}

/** What is read off the live state when somebody scrapes. */
export function registerGauges(
  metrics: Metrics,
  { configuration, inFlight, bodyBytes, limits }: Gauged,
): void {
  const registers = [metrics]
  const gauge = gaugesOf(metrics)
  gauge('active_connections', 'Requests in flight', inFlight)
  gauge('signalbox_request_body_bytes', 'Bytes of request bodies that are held', bodyBytes)
  registerLimiterGauges(registers, limits)
  const perBackend = (name: string, help: string, read: (facts: BackendFacts) => number) =>
    new Gauge({
      name,
      help,
      // Of several workers, one that has just started knows least: it would say 1.
      aggregator: name === 'backend_health_status' ? 'min' : 'sum',
      labelNames: ['backend'],
      registers,
      collect() {
        this.reset()
        for (const live of configuration.backends()) {
          const { id, status, inFlight: busy } = live
          const health = HEALTH[status?.health ?? 'unknown']
          this.set({ backend: id }, read({ health, busy, ...live.poolStats() }))
        }
      },
    })
  perBackend('backend_health_status', '1 ready, 0.5 warming up, 0 down', (facts) => facts.health)
  perBackend('signalbox_pool_open', 'Open connections', (facts) => facts.open)
  perBackend('signalbox_pool_idle', 'Idle connections', (facts) => facts.idle)
  perBackend(
    'signalbox_pool_pending',
    'Requests that wait for a connection',
    (facts) => facts.pending,
  )
  perBackend('signalbox_backend_in_flight', 'Requests at the backend', (facts) => facts.busy)
}

/** Workers know the same of each other: the most that one knows is what is known. */
function registerLimiterGauges(registers: Metrics[], limits: RequestLimits): void {
  const most = (name: string, help: string, read: () => number) =>
    new Gauge({
      ...{ name, help, aggregator: 'max', registers },
      collect() {
        this.set(read())
      },
    })
  most('signalbox_limiter_holders', 'Keys, routes and others whose limits are counted', () => {
    return limits.counts().scopes
  })
  most('signalbox_limiter_planes', 'Data planes that share limits, as far as known', () => {
    return limits.counts().planes
  })
}

interface BackendFacts {
  readonly health: number
  readonly open: number
  readonly idle: number
  readonly pending: number
  readonly busy: number
}
