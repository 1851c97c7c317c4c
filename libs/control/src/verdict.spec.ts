import fc from 'fast-check'
import { guardSpec, type ReleaseCounts } from '@signalbox/model'
import { judge, NO_REQUESTS, type Side, sideOf, zOf } from './verdict.ts'

const GUARD = guardSpec.parse({})
const side = (requests: number, errors: number, firstBytes: readonly number[] = []): Side => {
  return { requests, errors, firstBytes }
}
const verdictOf = (cohort: Side, control: Side, guard: object = {}) =>
  judge({ cohort, control, refused: [] }, guardSpec.parse(guard)).verdict

/** mulberry32: the same in every run. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A release as it goes: looked at a hundred times while requests come in. */
function simulate(
  [cohortRate, controlRate]: readonly [number, number],
  { seed, each, looks }: { readonly seed: number; readonly each: number; readonly looks: number },
) {
  const random = randomOf(seed)
  const failures = (rate: number) =>
    Array.from({ length: each }, () => Number(random() < rate)).reduce((a, b) => a + b, 0)
  let [cohort, control] = [side(0, 0), side(0, 0)]
  for (let look = 0; look < looks; look++) {
    cohort = side(cohort.requests + each, cohort.errors + failures(cohortRate))
    control = side(control.requests + each, control.errors + failures(controlRate))
    if (verdictOf(cohort, control) === 'bad') return look
  }
  return null
}

describe('the verdict', () => {
  it('is bad where clearly more requests fail than elsewhere, and says how many', () => {
    const judged = { cohort: side(100, 40), control: side(200, 2), refused: [] }
    expect(judge(judged, GUARD)).toEqual({
      verdict: 'bad',
      why: 'more requests failed: 40 of 100 in the cohort, 2 of 200 elsewhere',
    })
  })

  it('is bad before minRequests where hardly any request works', () => {
    expect(verdictOf(side(20, 20), side(20, 0))).toBe('bad')
  })

  it('is good where no more fail, however many that are', () => {
    expect(verdictOf(side(100, 0), side(100, 0))).toBe('good')
    expect(verdictOf(side(100, 100), side(100, 100))).toBe('good')
    expect(verdictOf(side(1_000, 500), side(1_000, 500))).toBe('good')
  })

  it('is not known with too few requests on either side, and says so', () => {
    const judged = { cohort: side(99, 0), control: side(500, 0), refused: [] }
    expect(judge(judged, GUARD)).toEqual({
      verdict: 'inconclusive',
      why: 'the cohort had 99 of 100 requests',
    })
    expect(verdictOf(side(500, 0), side(99, 0))).toBe('inconclusive')
    expect(verdictOf(NO_REQUESTS, NO_REQUESTS)).toBe('inconclusive')
    // Nobody to compare with: nothing is known, whatever the cohort does.
    expect(verdictOf(side(5_000, 5_000), NO_REQUESTS)).toBe('inconclusive')
  })

  it('is not known where more fail than may, but by chance as well', () => {
    expect(verdictOf(side(100, 3), side(100, 0))).toBe('inconclusive')
  })

  it('lets more fail where the guard does', () => {
    expect(verdictOf(side(1_000, 100), side(1_000, 0), { maxErrorRateIncrease: 0.2 })).toBe('good')
  })

  it('is bad at once where a proxy could not compile it', () => {
    const judged = { cohort: NO_REQUESTS, control: NO_REQUESTS, refused: ['p1, backend b1: no'] }
    expect(judge(judged, GUARD).why).toBe('a proxy refused it: p1, backend b1: no')
    expect(judge(judged, GUARD).verdict).toBe('bad')
  })

  it('looks at slow requests where it is asked to', () => {
    const quick = side(200, 0, [200, 0, 0, 0])
    const slow = side(200, 0, [100, 0, 100, 0])
    expect(verdictOf(slow, quick)).toBe('good')
    expect(verdictOf(slow, quick, { maxSlowRateIncrease: 0.1 })).toBe('bad')
    expect(verdictOf(quick, slow, { maxSlowRateIncrease: 0.1 })).toBe('good')
    // Slow on both sides: it is not the release.
    expect(verdictOf(slow, slow, { maxSlowRateIncrease: 0.1 })).toBe('good')
  })
})

const share = fc
  .record({
    of: fc.integer({ min: 1, max: 100_000 }),
    part: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ of, part }) => ({ of, hits: Math.round(of * part) }))

describe('the two-proportion test', () => {
  it('is against the one as much as for the other, and finite', () => {
    fc.assert(
      fc.property(share, share, (one, other) => {
        expect(zOf(one, other)).toBeCloseTo(-zOf(other, one), 9)
        expect(Number.isFinite(zOf(one, other))).toBe(true)
      }),
    )
  })

  it('is never for the cohort when more of it fails', () => {
    fc.assert(
      fc.property(share, share, fc.nat({ max: 1_000 }), (one, other, more) => {
        const worse = { of: one.of, hits: Math.min(one.of, one.hits + more) }
        const order = { good: 0, inconclusive: 1, bad: 2 }
        const rank = ({ of, hits }: typeof one) =>
          order[verdictOf(side(of, hits), side(other.of, other.hits))]
        expect(rank(worse)).toBeGreaterThanOrEqual(rank(one))
      }),
    )
  })

  it('of two that are the same alarms falsely in one of a hundred releases, or less', () => {
    const runs = 300
    const alarms = [0, 0.01, 0.1].map((rate) => {
      const all = Array.from({ length: runs }, (_, seed) =>
        simulate([rate, rate], { seed, each: 20, looks: 50 }),
      )
      return all.filter((look) => look !== null).length / runs
    })
    for (const one of alarms) expect(one).toBeLessThanOrEqual(0.01)
  })

  it('finds one that fails for five in a hundred instead of one, nearly always', () => {
    const found = Array.from({ length: 100 }, (_, seed) =>
      simulate([0.05, 0.01], { seed, each: 30, looks: 50 }),
    ).filter((look) => look !== null)
    expect(found.length).toBeGreaterThanOrEqual(95)
  })
})

it('sums the counts of all proxies of a side', () => {
  const counts: ReleaseCounts = {
    ...{ release: 'release-7', stage: 0, cohort: true, requests: 5, firstByteMs: 80 },
    errors: { failed: 1, refused: 1, unrouted: 2, limited: 1 },
    firstBytes: [1, 3],
  }
  expect(sideOf([counts, counts])).toEqual({ requests: 10, errors: 10, firstBytes: [2, 6] })
  expect(sideOf([])).toEqual(NO_REQUESTS)
})
