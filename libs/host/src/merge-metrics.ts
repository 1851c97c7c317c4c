import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue } from 'prom-client'
import { type Metrics } from './metrics.ts'

/** One process's metrics, as they travel to the process that answers for several. */
export type MetricsPart = readonly MetricObjectWithValues<MetricValue<string>>[]

export function partOf(metrics: Metrics): Promise<MetricsPart> {
  return metrics.getMetricsAsJSON()
}

/** Many parts as one: each metric summed, or as its `aggregator` says. */
export function mergeParts(parts: readonly MetricsPart[]): Metrics {
  return AggregatorRegistry.aggregate(parts as object[])
}

/**
 * What stays of a process that has ended: what it counted. A sum over processes that forgot it
 * would fall, and whoever reads it would take that for a restart.
 */
export async function keepCounts(before: MetricsPart, last: MetricsPart): Promise<MetricsPart> {
  return partOf(mergeParts([before, countsOf(last)]))
}

/** Without the series for which `stays` says no. */
export function withoutSeries(
  part: MetricsPart,
  stays: (labels: Readonly<Record<string, string | number | undefined>>) => boolean,
): MetricsPart {
  return part.map((metric) => ({
    ...metric,
    values: metric.values.filter(({ labels }) => stays(labels)),
  }))
}

// prom-client's types say numbers; its values are words.
const COUNTED = new Set<unknown>(['counter', 'histogram'])

function countsOf(part: MetricsPart): MetricsPart {
  return part.filter(({ type }) => COUNTED.has(type))
}
