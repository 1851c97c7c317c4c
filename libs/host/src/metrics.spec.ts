import { register } from 'prom-client'
import { Counter, createMetrics } from './metrics.ts'
import { registerProcessMetrics } from './process-metrics.ts'
import { VERSION } from './version.ts'

const counter = (metrics: ReturnType<typeof createMetrics>) =>
  new Counter({ name: 'signalbox_test_total', help: 'test', registers: [metrics] })

describe('createMetrics', () => {
  it('makes a registry that shares nothing with another, nor with the library’s own', async () => {
    const [first, second] = [createMetrics(), createMetrics()]
    counter(first).inc(2)
    counter(second).inc(3)
    expect(await first.metrics()).toMatch(/^signalbox_test_total 2$/m)
    expect(await second.metrics()).toMatch(/^signalbox_test_total 3$/m)
    expect(register.getMetricsAsArray()).toEqual([])
  })

  it('refuses the same name twice', () => {
    const metrics = createMetrics()
    counter(metrics)
    expect(() => counter(metrics)).toThrow(/signalbox_test_total/)
  })
})

describe('registerProcessMetrics', () => {
  it('exposes CPU, memory, handles, event-loop lag and the version that runs', async () => {
    const metrics = createMetrics()
    const stop = registerProcessMetrics(metrics)
    const text = await metrics.metrics()
    for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes']) {
      expect(text).toMatch(new RegExp(`^${name} [0-9.e+]+$`, 'm'))
    }
    expect(text).toMatch(/^nodejs_active_handles_total \d+$/m)
    expect(text).toContain(`signalbox_build_info{version="${VERSION}"} 1`)
    stop()
  })

  it('answers a lag that is a number, also twice at once and after it was stopped', async () => {
    const metrics = createMetrics()
    const stop = registerProcessMetrics(metrics)
    const lag = /^signalbox_event_loop_lag_seconds\{quantile="0\.(?:5|99)"\} \d[\d.e-]*$/gm
    for (const text of await Promise.all([metrics.metrics(), metrics.metrics()])) {
      expect(text.match(lag)).toHaveLength(2)
    }
    stop()
    stop()
    expect((await metrics.metrics()).match(lag)).toHaveLength(2)
  })

  it('leaves the library’s own registry alone', () => {
    registerProcessMetrics(createMetrics())()
    expect(register.getMetricsAsArray()).toEqual([])
  })
})
