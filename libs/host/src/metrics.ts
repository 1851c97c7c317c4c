import { Counter, Gauge, Histogram, Registry } from 'prom-client'

/** A process's metrics: one registry, handed around, never the library's global one. */
export type Metrics = Registry

export function createMetrics(): Metrics {
  return new Registry()
}

export { Counter, Gauge, Histogram }
