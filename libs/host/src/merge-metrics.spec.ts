import { keepCounts, mergeParts, partOf, withoutSeries } from './merge-metrics.ts'
import { Counter, createMetrics, Gauge, Histogram } from './metrics.ts'

async function partWith(value: number) {
  const metrics = createMetrics()
  const registers = [metrics]
  new Counter({ name: 'c', help: 'c', labelNames: ['backend'], registers }).inc(
    { backend: 'b1' },
    value,
  )
  new Histogram({ name: 'h', help: 'h', buckets: [1, 10], registers }).observe(value)
  new Gauge({ name: 'g', help: 'g', registers }).set(value)
  new Gauge({ name: 'worst', help: 'w', aggregator: 'max', registers }).set(value)
  return structuredClone(await partOf(metrics))
}

describe('mergeParts', () => {
  it('sums counters, histograms and gauges, and takes what a gauge asks for instead', async () => {
    const text = await mergeParts([await partWith(2), await partWith(5)]).metrics()
    expect(text).toContain('c{backend="b1"} 7\n')
    expect(text).toContain('h_bucket{le="1"} 0\n')
    expect(text).toContain('h_bucket{le="10"} 2\n')
    expect(text).toContain('h_sum 7\n')
    expect(text).toContain('g 7\n')
    expect(text).toContain('worst 5\n')
  })

  it('keeps what a process has counted after its end, and nothing that it held', async () => {
    let kept = await keepCounts([], await partWith(2))
    kept = await keepCounts(kept, await partWith(3))
    const text = await mergeParts([await partWith(1), kept]).metrics()
    expect(text).toContain('c{backend="b1"} 6\n')
    expect(text).toContain('h_count 3\n')
    expect(text).toContain('g 1\n')
  })

  it('leaves out series that are of no use any more', async () => {
    const part = withoutSeries(await partWith(2), ({ backend }) => backend !== 'b1')
    const text = await mergeParts([part]).metrics()
    expect(text).not.toContain('b1')
    expect(text).toContain('h_count 1\n')
  })
})
