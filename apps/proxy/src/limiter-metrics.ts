import { Counter, type Metrics } from '@signalbox/host'
import { type Tokens } from '@signalbox/model'

const HOLDERS = ['fleet', 'address', 'key', 'route', 'backend'] as const

export interface LimiterMetrics {
  /** Whose limit decided, as a kind of holder, never which one. */
  count(holder: string, allowed: boolean): void
  /** Another data plane has said what it took. */
  heard(): void
  /** What an answered request used up. */
  spent(route: string, tokens: Tokens, costUsd: number | null): void
}

export function createLimiterMetrics(metrics: Metrics): LimiterMetrics {
  const counter = new Counter({
    name: 'signalbox_limiter_decisions_total',
    help: 'Requests that a limit was asked about, by whose limit, allowed or refused',
    labelNames: ['limit', 'outcome'],
    registers: [metrics],
  })
  const heard = new Counter({
    name: 'signalbox_limiter_reports_total',
    help: 'What other data planes said of the limits that they share',
    registers: [metrics],
  })
  const series = new Map(
    HOLDERS.map((limit) => [
      limit as string,
      [counter.labels(limit, 'refused'), counter.labels(limit, 'allowed')] as const,
    ]),
  )
  return {
    count: (holder, allowed) => series.get(holder)?.[allowed ? 1 : 0].inc(),
    heard: () => heard.inc(),
    spent: createSpentMetrics(metrics),
  }
}

/** Routes that have series of their own; the rest is `other`. */
const ROUTES_MAX = 500
const OTHER = 'other'
const TOKENS = ['prompt', 'completion', 'cached', 'reasoning'] as const

function createSpentMetrics(metrics: Metrics): LimiterMetrics['spent'] {
  const registers = [metrics]
  const tokensTotal = new Counter({
    name: 'signalbox_tokens_total',
    help: 'Tokens by route, as backends counted; cached and reasoning are part of the others',
    labelNames: ['route', 'kind'],
    registers,
  })
  const costTotal = new Counter({
    name: 'signalbox_cost_usd_total',
    help: 'US dollars by route; estimated: the backend did not count',
    labelNames: ['route', 'estimated'],
    registers,
  })
  const routes = new Set<string>()
  return (id, tokens, costUsd) => {
    if (routes.size < ROUTES_MAX) routes.add(id)
    const route = routes.has(id) ? id : OTHER
    for (const kind of TOKENS) {
      const count = tokens[kind]
      if (count !== null && count > 0) tokensTotal.inc({ route, kind }, count)
    }
    if (costUsd) costTotal.inc({ route, estimated: String(tokens.estimated === true) }, costUsd)
  }
}
