import fc from 'fast-check'
import { budgetSpec, periodBegin, readSpending } from './budget.ts'
import { readLeaseReport } from './lease.ts'
import { costOf, listPrice } from './price.ts'
import { PRICES } from './prices.ts'

const DAY_MS = 86_400_000
const dayOf = (text: string) => Date.parse(`${text}T00:00:00Z`) / DAY_MS
const at = (text: string) => Date.parse(text)

describe('periodBegin', () => {
  it.each([
    ['day', '2026-11-24T23:59:59.999Z', '2026-11-24'],
    ['week', '2026-11-24T12:00:00Z', '2026-11-23'],
    ['week', '2026-11-23T00:00:00Z', '2026-11-23'],
    ['week', '2026-11-22T23:00:00Z', '2026-11-16'],
    ['month', '2028-02-29T12:00:00Z', '2028-02-01'],
    ['month', '2027-01-01T00:00:00Z', '2027-01-01'],
    ['total', '2026-11-24T12:00:00Z', '1970-01-01'],
  ] as const)('of a %s with %s is %s', (period, now, begin) => {
    expect(periodBegin(period, at(now))).toBe(dayOf(begin))
  })

  it('of a month is its first, in every year', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4e12 }), (nowMs) => {
        const now = new Date(nowMs)
        const first = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1)
        expect(periodBegin('month', nowMs)).toBe(first / DAY_MS)
      }),
    )
  })
})

describe('a price', () => {
  const price = { inputPerMTok: 2, cachedInputPerMTok: 0.5, outputPerMTok: 8 }
  const tokens = { prompt: 1_000, completion: 100, cached: 400, reasoning: 60 }

  it('is asked for input, for cached input, and for the completion with its reasoning', () => {
    expect(costOf(tokens, price)).toBeCloseTo((600 * 2 + 400 * 0.5 + 100 * 8) / 1e6, 12)
    const { cachedInputPerMTok: _, ...same } = price
    expect(costOf(tokens, same)).toBeCloseTo((1_000 * 2 + 100 * 8) / 1e6, 12)
  })

  it('is asked for nothing that was not counted, and for no more cached than there was', () => {
    const none = { prompt: null, completion: null, cached: 5, reasoning: null }
    expect(costOf(none, price)).toBe(0)
    expect(costOf({ ...tokens, cached: 9_999 }, price)).toBeCloseTo((500 + 800) / 1e6, 12)
  })

  it('of a list is found under every name of the model, at its vendor alone', () => {
    const found = listPrice('openai', 'gpt-4o')
    expect(found?.inputPerMTok).toBe(2.5)
    for (const model of ['gpt-4o-2024-08-06', 'gpt-4o-latest']) {
      expect(listPrice('openai', model)).toBe(found)
    }
    expect(listPrice('gemini', 'models/gemini-2.5-pro')?.outputPerMTok).toBe(10)
    expect(listPrice('anthropic', 'claude-haiku-4-5-20251001')?.outputPerMTok).toBe(5)
    expect([listPrice('vllm', 'gpt-4o'), listPrice('openai', 'gpt-4o-x')]).toEqual([
      undefined,
      undefined,
    ])
  })

  it('of a list costs no more for what is cached', () => {
    const all = Object.values(PRICES).flatMap((list) => Object.values(list))
    expect(all.length).toBeGreaterThan(30)
    for (const { inputPerMTok, cachedInputPerMTok = 0 } of all) {
      expect(cachedInputPerMTok).toBeLessThanOrEqual(inputPerMTok)
    }
  })
})

it('a budget is of a month, and refuses, where nothing else is said', () => {
  expect(budgetSpec.parse({ usd: 5 })).toEqual({ usd: 5, period: 'month', action: 'block' })
  for (const wrong of [{}, { usd: 0 }, { usd: 1, period: 'year' }, { usd: 1, soft: true }]) {
    expect(budgetSpec.safeParse(wrong).success).toBe(false)
  }
})

describe('what other processes say', () => {
  it('is read where it is whole', () => {
    const spending = { v: 1, lines: [['k', 20_000, 1.5]] }
    expect(readSpending(spending)).toEqual(spending)
    const report = { v: 1, from: 'p', lines: [['key:k', 0, 1, 1, 0.5, 59, 60]] }
    expect(readLeaseReport(report)).toEqual(report)
  })

  it('is no word of ours otherwise', () => {
    const line = ['key:k', 0, 1, 1, 0.5, 59, 60]
    const wrongLines = [[], ['x'], [1, ...line.slice(1)], [...line, 1], [...line.slice(0, 6), 0]]
    for (const wrong of [null, 1, {}, { v: 2, from: 'p', lines: [] }, { v: 1, lines: [] }]) {
      expect([readLeaseReport(wrong), readSpending({ ...Object(wrong), v: 2 })]).toEqual([
        undefined,
        undefined,
      ])
    }
    for (const one of wrongLines) {
      expect(readLeaseReport({ v: 1, from: 'p', lines: [one] })).toBeUndefined()
      expect(readSpending({ v: 1, lines: [one] })).toBeUndefined()
    }
  })
})
