import fc from 'fast-check'
import { DEFAULT_POLICY, type Failure, type PolicySpec } from '@signalbox/model'
import { seededRandom } from '@signalbox/testing'
import { type Outcome } from './attempt.ts'
import {
  admits,
  beginAttempt,
  type Breaker,
  breakerState,
  endAttempt,
  openBreaker,
  slowStartShare,
  type Verdict,
  verdictOf,
} from './breaker.ts'
import { pickFromRoute } from './pick.ts'
import { picking } from './table-harness.ts'

const { breaker: defaults } = DEFAULT_POLICY
const policyOf = (breaker: Partial<PolicySpec['breaker']> = {}): PolicySpec => ({
  ...DEFAULT_POLICY,
  breaker: { ...defaults, ...breaker },
})
const policy = policyOf()

function run(
  breaker: Breaker,
  verdict: Verdict,
  { nowMs = 0, by = policy, mayEject = true } = {},
): ReturnType<typeof endAttempt> {
  const probes = beginAttempt(breaker, nowMs)
  return endAttempt(breaker, by, { verdict, probes, nowMs, mayEject: () => mayEject })
}
const times = (count: number, act: () => unknown) => Array.from({ length: count }, act)

describe('a breaker', () => {
  it('opens after connections failed in a row', () => {
    const breaker = openBreaker()
    expect(times(3, () => run(breaker, 'connect'))).toEqual([undefined, undefined, 'connect'])
    expect([breakerState(breaker, 0), admits(breaker, 0)]).toEqual(['open', false])
  })

  it('opens after other failures in a row, and stays closed while some go well', () => {
    const breaker = openBreaker()
    const often = policyOf({ requestsMin: 1_000 })
    for (let n = 0; n < 20; n++) {
      for (let m = 0; m < 4; m++) expect(run(breaker, 'failure', { by: often })).toBeUndefined()
      run(breaker, 'good', { by: often })
    }
    expect(times(5, () => run(breaker, 'failure', { by: often })).at(-1)).toBe('failures')
  })

  it('opens by rate, from a least number of requests on', () => {
    const by = policyOf({ ratePercent: 50, requestsMin: 20, failures: 1_000 })
    const breaker = openBreaker()
    const two = () => [run(breaker, 'good', { by }), run(breaker, 'failure', { by })]
    expect(times(9, two).flat()).toEqual(times(18, () => undefined))
    expect(two()).toEqual([undefined, 'failures'])
  })

  it('forgets a window that is over', () => {
    const by = policyOf({ requestsMin: 10, failures: 1_000 })
    const breaker = openBreaker()
    for (let n = 0; n < 9; n++) run(breaker, 'failure', { by, nowMs: 0 })
    expect(run(breaker, 'failure', { by, nowMs: defaults.windowMs })).toBeUndefined()
  })

  it('learns nothing from clients that leave', () => {
    const breaker = openBreaker()
    expect(times(50, () => run(breaker, 'nothing'))).toEqual(times(50, () => undefined))
  })

  it('does not open for failures where too many are ejected, for dead ports always', () => {
    const breaker = openBreaker()
    const mayEject = false
    expect(times(9, () => run(breaker, 'failure', { mayEject }))).toEqual(times(9, () => undefined))
    expect(times(3, () => run(breaker, 'connect', { mayEject })).at(-1)).toBe('connect')
  })

  it('does not open where it is off', () => {
    const by = policyOf({ enabled: false })
    const breaker = openBreaker()
    times(20, () => run(breaker, 'connect', { by }))
    expect(admits(breaker, 0)).toBe(true)
  })

  it('lets one request probe, then closes, or opens for twice as long', () => {
    const breaker = openBreaker()
    times(3, () => run(breaker, 'connect'))
    const { openMs } = defaults
    expect(breakerState(breaker, openMs)).toBe('half_open')
    expect([admits(breaker, openMs), beginAttempt(breaker, openMs)]).toEqual([true, true])
    expect(admits(breaker, openMs)).toBe(false)
    const ended = { probes: true, nowMs: openMs, mayEject: () => true }
    expect(endAttempt(breaker, policy, { ...ended, verdict: 'connect' })).toBe('connect')
    expect(breakerState(breaker, 3 * openMs - 1)).toBe('open')
    expect(run(breaker, 'good', { nowMs: 3 * openMs })).toBeUndefined()
    expect(breakerState(breaker, 3 * openMs)).toBe('closed')
  })

  it('lets the next one probe when a probing client leaves', () => {
    const breaker = openBreaker()
    times(3, () => run(breaker, 'connect'))
    run(breaker, 'nothing', { nowMs: defaults.openMs })
    expect(admits(breaker, defaults.openMs)).toBe(true)
  })

  it('never has more probing requests than allowed, and never stays shut for ever', () => {
    const verdicts = fc.constantFrom<Verdict>('good', 'connect', 'failure', 'nothing')
    const steps = fc.array(fc.tuple(verdicts, fc.nat({ max: 20_000 }), fc.boolean()))
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 3 }), (all, probes) => {
        const by = policyOf({ probes })
        const breaker = openBreaker()
        const inFlight: { verdict: Verdict; probes: boolean }[] = []
        let nowMs = 0
        for (const [verdict, laterMs, ends] of all) {
          nowMs += laterMs
          if (admits(breaker, nowMs)) {
            inFlight.push({ verdict, probes: beginAttempt(breaker, nowMs) })
          }
          expect(breaker.probing).toBeLessThanOrEqual(probes)
          const one = ends ? inFlight.shift() : undefined
          if (one) endAttempt(breaker, by, { ...one, nowMs, mayEject: () => true })
        }
        for (const one of inFlight) endAttempt(breaker, by, { ...one, nowMs, mayEject: () => true })
        expect(admits(breaker, nowMs + defaults.openMsMax)).toBe(true)
      }),
    )
  })
})

describe('slow start', () => {
  it('gives the share back bit by bit', () => {
    const breaker = { ...openBreaker(), recoveredMs: 1_000, slowStartMs: 10_000 }
    expect([1_000, 3_500, 6_000, 11_000].map((ms) => slowStartShare(breaker, ms))).toEqual([
      0.1, 0.25, 0.5, 1,
    ])
  })

  it('sends less to a backend that has just come back, but never nobody', () => {
    const random = seededRandom(5)
    const world = picking({ backends: { a: {}, b: {} }, policy: {}, random })
    const slow = { ...openBreaker(), recoveredMs: 0, slowStartMs: 10_000 }
    Object.assign(world.byId('b'), { breaker: slow })
    const share = (nowMs: number) => {
      const ids = times(
        2_000,
        () => pickFromRoute(world.route, world.context({ nowMs }))?.backend.id,
      )
      return ids.filter((id) => id === 'b').length / 2_000
    }
    expect(share(0)).toBeLessThan(0.15)
    expect(share(5_000)).toBeGreaterThan(0.25)
    expect(share(10_000)).toBe(0.5)
    world.byId('a').eligible = false
    expect(share(0)).toBe(1)
  })
})

describe('panic', () => {
  const world = (ejected: number, cause: Breaker['cause'] = 'failures') => {
    const backends = { a: {}, b: {}, c: {}, d: {} }
    const it = picking({ backends, policy: {}, random: seededRandom(6) })
    for (const [n, live] of it.live.entries()) {
      const open = n < ejected
      Object.assign(live, { breaker: { ...openBreaker(), open, cause, untilMs: 1_000 } })
    }
    const ids = times(8, () => pickFromRoute(it.route, it.context())?.backend.id)
    return { it, ids: [...new Set(ids)].sort() }
  }

  it('is none while half of a tier is up: who is ejected is left alone', () => {
    expect(world(2).ids).toEqual(['c', 'd'])
  })

  it('below that uses all again, but for those where nobody listens', () => {
    expect(world(3).ids).toEqual(['a', 'b', 'c', 'd'])
    expect(world(3, 'connect').ids).toEqual(['d'])
  })

  it('is not come to by what this request has tried', () => {
    const { it } = world(1)
    const context = it.context({ tried: [1, 2] })
    expect(pickFromRoute(it.route, context)?.backend.id).toBe('d')
    expect(context.panic).toBe(false)
  })

  it('is none where nobody is ejected', () => {
    const { it } = world(0)
    for (const id of ['a', 'b', 'c']) it.byId(id).eligible = false
    const context = it.context()
    expect([pickFromRoute(it.route, context)?.backend.id, context.panic]).toEqual(['d', false])
  })

  it('believes probes all the same', () => {
    const { it } = world(3)
    it.byId('a').eligible = false
    const ids = times(9, () => pickFromRoute(it.route, it.context())?.backend.id)
    expect([...new Set(ids)].sort()).toEqual(['b', 'c', 'd'])
  })
})

describe('a verdict', () => {
  const failed = (failure: Partial<Failure>): Outcome => ({
    kind: 'failed',
    begun: false,
    failure: {
      code: 'upstream_failed',
      source: 'upstream',
      nothingSent: false,
      message: '',
      ...failure,
    },
  })
  it.each<[Outcome, number, Verdict]>([
    [{ kind: 'answered' }, 200, 'good'],
    [{ kind: 'answered' }, 400, 'good'],
    [{ kind: 'answered' }, 429, 'good'],
    [{ kind: 'answered' }, 500, 'failure'],
    [failed({ code: 'upstream_connect_failed' }), 0, 'connect'],
    [failed({ code: 'upstream_timeout' }), 0, 'failure'],
    [failed({ code: 'stream_cut' }), 200, 'failure'],
    [failed({ code: 'upstream_busy' }), 503, 'failure'],
    [failed({ code: 'upstream_busy' }), 429, 'good'],
    [failed({ code: 'request_timeout', source: 'downstream' }), 0, 'nothing'],
  ])('%j with status %i is %s', (outcome, status, verdict) => {
    expect(verdictOf(outcome, status)).toBe(verdict)
  })
})
