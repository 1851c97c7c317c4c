import { Gauge, Histogram, type Metrics } from '@signalbox/host'
import { type Health, type Status } from '@signalbox/model'
import { type Checked } from './check.ts'

const BUCKETS_S = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]
const MS_PER_S = 1_000
const VALUE: Readonly<Record<Health, number>> = { ready: 1, unknown: 1, warming_up: 0.5, down: 0 }

export interface ProbeMetrics {
  checked(status: Status, checked: Checked): void
  suspect(suspect: boolean): void
  forget(backend: string): void
}

export function createProbeMetrics(metrics: Metrics): ProbeMetrics {
  const registers = [metrics]
  const duration = new Histogram({
    name: 'signalbox_probe_duration_seconds',
    help: 'Time until a backend answered a health check',
    labelNames: ['result'],
    buckets: BUCKETS_S,
    registers,
  })
  const health = new Gauge({
    name: 'backend_health_status',
    help: '1 ready, 0.5 warming up, 0 down',
    labelNames: ['backend'],
    registers,
  })
  const suspect = new Gauge({
    name: 'signalbox_probe_suspects_itself',
    help: '1 while nearly all backends fail at once, which is then not believed',
    registers,
  })
  return {
    checked: (status, { result, latencyMs }) => {
      if (latencyMs !== null) duration.observe({ result }, latencyMs / MS_PER_S)
      health.set({ backend: status.backend }, VALUE[status.health])
    },
    suspect: (is) => suspect.set(is ? 1 : 0),
    forget: (backend) => health.remove({ backend }),
  }
}
