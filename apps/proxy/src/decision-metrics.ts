import { Counter, type Metrics } from '@signalbox/host'
import { type EjectionCause } from '@signalbox/routing'

const CAUSES: readonly EjectionCause[] = ['connect', 'failures']

/** What was decided between attempts. */
export interface DecisionMetrics {
  /** A route had nobody, and another one is gone on with. */
  fallback(from: string, to: string): void
  /** Another attempt follows one that ended so: a failure's code, or a status. */
  retry(reason: string): void
  /** Another attempt could have helped, and the budget of the route was spent. */
  retryRefused(): void
  /** A backend is left alone for a while. */
  ejected(backend: string, cause: EjectionCause): void
  /** Of two attempts at the same time the second answered first, the first did, or neither. */
  hedge(result: 'won' | 'lost' | 'failed'): void
  /** An attempt was late, and the route's budget for second ones was spent. */
  hedgeRefused(): void
  /** A stream that has not begun got a comment. */
  keptAlive(): void
  /** A backend was removed: what was counted for it goes. */
  forget(backend: string): void
}

export function createDecisionMetrics(metrics: Metrics): DecisionMetrics {
  const registers = [metrics]
  const fallbacks = new Counter({
    name: 'signalbox_fallbacks_total',
    help: 'How often a route had nobody and another one was gone on with',
    labelNames: ['route', 'to'],
    registers,
  })
  const retries = new Counter({
    name: 'signalbox_retries_total',
    help: 'Attempts beyond the first, by what came before them',
    labelNames: ['reason'],
    registers,
  })
  const refused = new Counter({
    name: 'signalbox_retries_refused_total',
    help: 'Retries that were not made because the budget of the route was spent',
    registers,
  })
  const ejections = new Counter({
    name: 'signalbox_ejections_total',
    help: 'How often a backend was left alone because requests to it failed',
    labelNames: ['backend', 'cause'],
    registers,
  })
  const hedges = new Counter({
    name: 'signalbox_hedges_total',
    help: 'Second attempts beside one that was late, by whether they answered first',
    labelNames: ['result'],
    registers,
  })
  const hedgesRefused = new Counter({
    name: 'signalbox_hedges_refused_total',
    help: 'Second attempts that were not made because the budget of the route was spent',
    registers,
  })
  const keepAlives = new Counter({
    name: 'signalbox_keep_alives_total',
    help: 'Comments sent into streams that had not begun',
    registers,
  })
  return {
    keptAlive: () => keepAlives.inc(),
    hedge: (result) => hedges.inc({ result }),
    hedgeRefused: () => hedgesRefused.inc(),
    ejected: (backend, cause) => ejections.inc({ backend, cause }),
    forget: (backend) => {
      for (const cause of CAUSES) ejections.remove({ backend, cause })
    },
    retry: (reason) => retries.inc({ reason }),
    retryRefused: () => refused.inc(),
    fallback: (route, to) => fallbacks.inc({ route, to }),
  }
}
