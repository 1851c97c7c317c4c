import { DEFAULT_POLICY, type PolicySpec } from '@signalbox/model'
import { seededRandom } from '@signalbox/testing'
import { DELAYS_MIN, earnHedge, lateAfterMs, observeDelay, openHedging, payHedge } from './hedge.ts'

const policy = (hedge: Partial<PolicySpec['hedge']> = {}): PolicySpec => ({
  ...DEFAULT_POLICY,
  hedge: { ...DEFAULT_POLICY.hedge, enabled: true, ...hedge },
})

describe('when an attempt is late', () => {
  it('is what 95 of 100 are not, within a fifth', () => {
    const { plain } = openHedging()
    const random = seededRandom(1)
    const times = Array.from({ length: 900 }, () => 5 + 1_000 * random() ** 3)
    for (const ms of times) observeDelay(plain, ms)
    const sorted = times.toSorted((one, other) => one - other)
    const p95 = sorted[Math.ceil(sorted.length * 0.95) - 1] ?? 0
    const late = lateAfterMs(plain, policy()) ?? 0
    expect(late / p95).toBeGreaterThanOrEqual(1)
    expect(late / p95).toBeLessThanOrEqual(2 ** 0.25)
  })

  it('is not known from a few', () => {
    const { plain, streams } = openHedging()
    for (let n = 1; n < DELAYS_MIN; n++) observeDelay(plain, 10)
    expect(lateAfterMs(plain, policy())).toBeUndefined()
    observeDelay(plain, 10)
    expect(lateAfterMs(plain, policy())).toBeGreaterThanOrEqual(10)
    expect(lateAfterMs(streams, policy())).toBeUndefined()
  })

  it('is what the policy says, where it says it', () => {
    expect(lateAfterMs(openHedging().plain, policy({ afterMs: 70 }))).toBe(70)
  })

  it('follows the times as they change, and holds any of them', () => {
    const { plain } = openHedging()
    for (let n = 0; n < 2_000; n++) observeDelay(plain, 1_000)
    for (let n = 0; n < 8_000; n++) observeDelay(plain, 10)
    expect(lateAfterMs(plain, policy())).toBeLessThan(12)
    for (const ms of [0, -1, 1e12]) observeDelay(plain, ms)
    expect(lateAfterMs(plain, policy())).toBeLessThan(12)
  })
})

it.each([1, 5, 33, 100])('at %i per cent that many second attempts are made, and no more', (n) => {
  const hedging = openHedging()
  let paid = 0
  for (let request = 1; request <= 1_000; request++) {
    earnHedge(hedging, policy({ budgetPercent: n }))
    if (payHedge(hedging)) paid += 1
    expect(paid).toBeLessThanOrEqual((request * n) / 100 + 1e-9)
  }
  expect(paid).toBeGreaterThanOrEqual(n * 10 - 1)
})

it('what was not spent in quiet times is no more than ten', () => {
  const hedging = openHedging()
  for (let n = 0; n < 10_000; n++) earnHedge(hedging, policy())
  let paid = 0
  while (payHedge(hedging)) paid += 1
  expect(paid).toBe(10)
})
