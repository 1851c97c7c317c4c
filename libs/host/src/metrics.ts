import { Counter, Gauge, Histogram, Registry } from 'prom-client'

/** A process's metrics: one registry, handed around, never the library's global one. */
export type Metrics = Registry

export function createMetrics(): Metrics {
  return new Registry()
}

export { Counter, Gauge, Histogram }

/** Makes gauges that are read when somebody scrapes: what they show is kept in one place only. */
export function gaugesOf(metrics: Metrics) {
  return (name: string, help: string, read: () => number): Gauge =>
    new Gauge({
      name,
      help,
      registers: [metrics],
      collect() {
        this.set(read())
      },
    })
}
