import { monitorEventLoopDelay } from 'node:perf_hooks'
import { collectDefaultMetrics } from 'prom-client'
import { Gauge, type Metrics } from './metrics.ts'
import { VERSION } from './version.ts'

const LAG_RESOLUTION_MS = 20
const NANOSECONDS = 1e9

/** What every process exposes: CPU, memory, handles, event-loop lag, build. Answers how to stop. */
export function registerProcessMetrics(metrics: Metrics): () => void {
  collectDefaultMetrics({ register: metrics })
  const delay = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS })
  delay.enable()
  new Gauge({
    name: 'signalbox_event_loop_lag_seconds',
    help: 'Delay of the event loop since the last scrape, by quantile',
    labelNames: ['quantile'],
    // Where several processes answer as one: the worst of them.
    aggregator: 'max',
    registers: [metrics],
    collect() {
      this.set({ quantile: '0.5' }, delay.percentile(50) / NANOSECONDS)
      this.set({ quantile: '0.99' }, delay.percentile(99) / NANOSECONDS)
      delay.reset()
    },
  })
  new Gauge({
    name: 'signalbox_build_info',
    help: 'The version that runs',
    labelNames: ['version'],
    aggregator: 'first',
    registers: [metrics],
  }).set({ version: VERSION }, 1)
  return () => delay.disable()
}
