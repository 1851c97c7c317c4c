import { type Clock, createMetrics } from '@signalbox/host'
import { FEW_REQUESTS, Overload, type OverloadOptions } from './overload.ts'

/** A clock whose timer runs as late as a test says. */
function watched(more: Partial<OverloadOptions>) {
  let nowMs = 0
  let run = () => {}
  const clock: Clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    after: () => () => {},
    every: (_periodMs, what) => {
      run = what
      return () => (run = () => {})
    },
  }
  const metrics = createMetrics()
  const overload = new Overload({
    ...{ clock, metrics, lagMsMax: null, memoryBytesMax: null },
    ...{ rssBytes: () => 0, inFlight: () => 100, ...more },
  })
  const tick = (lateMs: number, times = 1) => {
    for (let n = 0; n < times; n++) {
      nowMs += 100 + lateMs
      run()
    }
  }
  return { overload, tick, metrics }
}

describe('a loop that is late', () => {
  it('again and again refuses, and no longer than until it has caught up', async () => {
    const { overload, tick, metrics } = watched({ lagMsMax: 1_000 })
    tick(1_500, 10)
    expect(overload.refuses()).toMatchObject({ code: 'overloaded', source: 'internal' })
    expect(await metrics.metrics()).toContain('signalbox_overload_refused_total{cause="lag"} 1')
    tick(0, 2)
    expect(overload.refuses()).toBeDefined()
    tick(0, 10)
    expect(overload.refuses()).toBeUndefined()
    expect(await metrics.metrics()).toContain('signalbox_overloaded 0')
  })

  it('once, by a long pause, refuses nobody', () => {
    const { overload, tick } = watched({ lagMsMax: 1_000 })
    tick(0, 10)
    tick(4_000)
    expect(overload.refuses()).toBeUndefined()
  })

  it('refuses nobody where nobody looks', () => {
    const { overload, tick } = watched({})
    tick(60_000, 100)
    expect(overload.refuses()).toBeUndefined()
  })
})

describe('memory', () => {
  it('over its bound refuses until a tenth is free', () => {
    let rss = 100
    const { overload, tick } = watched({ memoryBytesMax: 1_000, rssBytes: () => rss })
    const refusedAt = (bytes: number) => {
      rss = bytes
      tick(0, 10)
      return overload.refuses()?.code
    }
    expect([refusedAt(999), refusedAt(1_000)]).toEqual([undefined, 'overloaded'])
    expect([refusedAt(901), refusedAt(899)]).toEqual(['overloaded', undefined])
  })

  it('that is not given back leaves the proxy a few requests', () => {
    let inFlight = FEW_REQUESTS
    const { overload, tick } = watched({
      ...{ memoryBytesMax: 1_000, rssBytes: () => 2_000, inFlight: () => inFlight },
    })
    tick(0, 10)
    expect(overload.refuses()).toBeUndefined()
    inFlight += 1
    expect(overload.refuses()).toBeDefined()
  })
})

it('stopped, it looks no more', () => {
  const { overload, tick } = watched({ lagMsMax: 10 })
  overload.stop()
  tick(60_000, 100)
  expect(overload.refuses()).toBeUndefined()
})
