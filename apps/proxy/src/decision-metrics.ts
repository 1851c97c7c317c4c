import { Counter, type Metrics } from '@signalbox/host'

/** What was decided between attempts. */
export interface DecisionMetrics {
  /** A route had nobody, and another one is gone on with. */
  fallback(from: string, to: string): void
}

export function createDecisionMetrics(metrics: Metrics): DecisionMetrics {
  const registers = [metrics]
  const fallbacks = new Counter({
    name: 'signalbox_fallbacks_total',
    help: 'How often a route had nobody and another one was gone on with',
    labelNames: ['route', 'to'],
    registers,
  })
  return {
    fallback: (route, to) => fallbacks.inc({ route, to }),
  }
}
