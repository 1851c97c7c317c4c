import fc from 'fast-check'
import { DEFAULT_POLICY, parseSpec, type PolicySpec } from '@signalbox/model'
import { seededRandom } from '@signalbox/testing'
import {
  backoffMs,
  earnRetries,
  openRetryBudget,
  payRetry,
  retriesStatus,
  retryAfterMs,
  TOKENS_MAX,
} from './retry.ts'

const policyOf = (retry: object): PolicySpec => {
  const parsed = parseSpec('policy', { retry })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error))
  return parsed.value as PolicySpec
}

describe('the budget of retries', () => {
  it('bounds them by the share of requests, whatever comes', () => {
    const runs = fc.array(fc.nat({ max: 50 }), { maxLength: 300 })
    fc.assert(
      fc.property(runs, fc.integer({ min: 1, max: 100 }), (gaps, percent) => {
        const budget = openRetryBudget(0)
        let nowMs = 0
        let paid = 0
        for (const gap of gaps) {
          earnRetries(budget, percent, (nowMs += gap))
          // Every attempt fails, and three more are wanted.
          for (let n = 0; n < 3; n++) if (payRetry(budget, percent)) paid += 1
        }
        const most = TOKENS_MAX + (gaps.length * percent) / 100 + nowMs / 1_000
        expect(paid).toBeLessThanOrEqual(most + 1e-6)
      }),
    )
  })

  it('bridges a short outage whole', () => {
    const budget = openRetryBudget(0)
    for (let n = 0; n < TOKENS_MAX; n++) expect(payRetry(budget, 20)).toBe(true)
    expect(payRetry(budget, 20)).toBe(false)
  })

  it('fills again with time, up to its brim', () => {
    const budget = openRetryBudget(0)
    budget.tokens = 0
    earnRetries(budget, 20, 800)
    expect(payRetry(budget, 20)).toBe(true)
    earnRetries(budget, 20, 1e9)
    expect(budget.tokens).toBe(TOKENS_MAX)
  })

  it('of 0 % pays nothing', () => {
    expect(payRetry(openRetryBudget(0), 0)).toBe(false)
  })
})

describe('backoff', () => {
  const policy = policyOf({ backoff: { baseMs: 100, maxMs: 1_000 } })

  it('is by lot below a ceiling that doubles', () => {
    const random = seededRandom(3)
    for (const [retries, ceiling] of [
      [1, 100],
      [2, 200],
      [4, 800],
      [9, 1_000],
    ] as const) {
      const waits = Array.from({ length: 200 }, () =>
        backoffMs(policy, { retries, askedMs: 0 }, random),
      )
      expect(Math.max(...waits)).toBeLessThanOrEqual(ceiling)
      expect(Math.max(...waits)).toBeGreaterThan(ceiling * 0.8)
      expect(Math.min(...waits)).toBeLessThan(ceiling * 0.2)
    }
  })

  it('waits as long as the backend asks for, and never over its own bound', () => {
    expect(backoffMs(policy, { retries: 1, askedMs: 700 }, () => 0)).toBe(700)
    expect(backoffMs(policy, { retries: 1, askedMs: 90_000 }, () => 0)).toBe(1_000)
  })

  it.each([
    ['2', 2_000],
    [undefined, 0],
    ['soon', 0],
    ['Wed, 21 Oct 2026 07:28:00 GMT', 0],
  ])('reads retry-after %s as %i ms', (header, ms) => {
    expect(retryAfterMs(header)).toBe(ms)
  })
})

describe('a status', () => {
  it('is final unless the policy lists it', () => {
    expect(retriesStatus(DEFAULT_POLICY, 429)).toBe(false)
    expect(retriesStatus(policyOf({ on: ['connect', 429] }), 429)).toBe(true)
    expect(retriesStatus(policyOf({ on: [429] }), 503)).toBe(false)
  })

  it.each([[500], [200], ['timeout']])('%j may not be listed', (on) => {
    expect(parseSpec('policy', { retry: { on: [on] } }).ok).toBe(false)
  })
})
