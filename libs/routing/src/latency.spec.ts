import fc from 'fast-check'
import { DECAY_MS, latencyAt, observeLatency } from './latency.ts'
import { type LiveBackend } from './table.ts'

const fresh = (): LiveBackend => ({
  id: 'b',
  inFlight: 0,
  eligible: true,
  ewmaMs: 0,
  ewmaAtMs: 0,
  samples: 0,
})

describe('observeLatency', () => {
  it('takes the first sample as it is', () => {
    const live = fresh()
    observeLatency(live, 40, 123)
    expect(live).toMatchObject({ ewmaMs: 40, ewmaAtMs: 123, samples: 1 })
  })

  it('rises at once to a higher sample', () => {
    const live = fresh()
    observeLatency(live, 10, 0)
    observeLatency(live, 900, 1)
    expect(live.ewmaMs).toBe(900)
  })

  it('falls by the time that has passed: 1 - 1/e of the way in DECAY_MS', () => {
    const live = fresh()
    observeLatency(live, 1000, 0)
    observeLatency(live, 0, DECAY_MS)
    expect(live.ewmaMs).toBeCloseTo(1000 / Math.E)
  })

  it('does not fall at all for a lower sample at the same moment', () => {
    const live = fresh()
    observeLatency(live, 100, 5)
    observeLatency(live, 1, 5)
    expect(live.ewmaMs).toBe(100)
  })

  it('stays between the lowest and the highest sample', () => {
    const samples = fc.array(fc.tuple(fc.nat({ max: 100_000 }), fc.nat({ max: 60_000 })), {
      minLength: 1,
    })
    fc.assert(
      fc.property(samples, (all) => {
        const live = fresh()
        let nowMs = 0
        for (const [ms, later] of all) observeLatency(live, ms, (nowMs += later))
        const ms = all.map(([sample]) => sample)
        expect(live.ewmaMs).toBeGreaterThanOrEqual(Math.min(...ms) - 1e-6)
        expect(live.ewmaMs).toBeLessThanOrEqual(Math.max(...ms) + 1e-6)
        expect(live.samples).toBe(all.length)
      }),
    )
  })
})

describe('latencyAt', () => {
  it('fades while no sample comes and changes nothing by being asked', () => {
    const live = fresh()
    observeLatency(live, 100, 0)
    expect(latencyAt(live, 0)).toBe(100)
    expect(latencyAt(live, DECAY_MS)).toBeCloseTo(100 / Math.E)
    expect(live).toMatchObject({ ewmaMs: 100, ewmaAtMs: 0, samples: 1 })
  })

  it('does not grow when the clock stands behind the sample', () => {
    const live = fresh()
    observeLatency(live, 100, 50)
    expect(latencyAt(live, 0)).toBe(100)
  })
})
