import fc from 'fast-check'
import { DEFAULT_POLICY } from '@signalbox/model'
import { breakerState, openBreaker, type Verdict } from './breaker.ts'
import {
  beginAttemptAt,
  breakerOf,
  type Ejected,
  endAttemptAt,
  MODEL_BREAKERS_MAX,
  NO_PROBES,
  openModelBreakers,
  type Suspect,
} from './model-breakers.ts'

const open = (): Suspect => ({ breaker: openBreaker(), models: openModelBreakers() })
const policy = DEFAULT_POLICY
const { openMs, slowStartMs } = policy.breaker

function run(one: Suspect, model: string, verdict: Verdict, nowMs = 0): Ejected | undefined {
  const probes = beginAttemptAt(one, model, nowMs)
  return endAttemptAt(one, policy, { model, verdict, probes, nowMs, mayEject: () => true })
}
const times = (count: number, act: () => Ejected | undefined) =>
  Array.from({ length: count }, act).at(-1)
const stateOf = (one: Suspect, model: string, nowMs = 0) =>
  breakerState(breakerOf({ model }, one, nowMs) ?? openBreaker(), nowMs)

describe('a model that fails', () => {
  it('is ejected alone where others are asked for and are well', () => {
    const one = open()
    run(one, 'well', 'good')
    const last = times(5, () => run(one, 'bad', 'failure'))
    expect(last).toEqual({ cause: 'failures', model: 'bad', untilMs: openMs })
    expect([stateOf(one, 'bad'), stateOf(one, 'well')]).toEqual(['open', 'closed'])
  })

  it('ejects the backend where it is the only one that was asked for', () => {
    const one = open()
    const last = times(5, () => run(one, 'bad', 'failure'))
    expect(last).toEqual({ cause: 'failures', untilMs: openMs })
    expect([stateOf(one, 'other'), one.models.byModel.size]).toEqual(['open', 0])
  })

  it('comes back by one request that is answered, and leaves nothing behind', () => {
    const one = open()
    run(one, 'well', 'good')
    times(5, () => run(one, 'bad', 'failure'))
    expect(stateOf(one, 'bad', openMs)).toBe('half_open')
    run(one, 'bad', 'good', openMs)
    expect([stateOf(one, 'bad', openMs), one.models.byModel.size]).toEqual(['closed', 1])
    run(one, 'bad', 'good', openMs + slowStartMs)
    expect(one.models.byModel.size).toBe(0)
  })

  it('that fails again at once is left alone for longer', () => {
    const one = open()
    run(one, 'well', 'good')
    times(5, () => run(one, 'bad', 'failure'))
    expect(run(one, 'bad', 'failure', openMs)).toEqual({
      ...{ cause: 'failures', model: 'bad', untilMs: openMs + 2 * openMs },
    })
  })
})

it('a model that has failed and is not left alone is asked by no probing request', () => {
  const one = open()
  run(one, 'well', 'good')
  run(one, 'bad', 'failure')
  expect(one.models.byModel.has('bad')).toBe(true)
  expect(beginAttemptAt(one, 'bad', 0)).toBe(NO_PROBES)
})

it('an answer where nothing fails is counted, and asks nobody what may be ejected', () => {
  const one = open()
  const mayEject = () => {
    throw new Error('asked')
  }
  const ended = { model: 'm', verdict: 'good', probes: NO_PROBES, nowMs: 0, mayEject } as const
  for (let n = 0; n < 3; n++) expect(endAttemptAt(one, policy, ended)).toBeUndefined()
  expect(one.breaker).toMatchObject({ windowCount: 3, windowFailed: 0 })
})

describe('a backend', () => {
  it('is ejected where two models fail and none is answered in between', () => {
    const one = open()
    times(4, () => run(one, 'a', 'failure'))
    expect(run(one, 'b', 'failure')).toEqual({ cause: 'failures', untilMs: openMs })
  })

  it('is ejected where nobody listens, and its models are not to blame', () => {
    const one = open()
    run(one, 'a', 'good')
    run(one, 'b', 'failure')
    expect(times(3, () => run(one, 'b', 'connect'))).toEqual({
      ...{ cause: 'connect', untilMs: openMs },
    })
    expect(one.models.byModel.get('b')).toMatchObject({ open: false, connectFailures: 0 })
  })

  it('has no breaker for models that are well, and a bounded number for those that are not', () => {
    const one = open()
    for (let n = 0; n < 1_000; n++) run(one, `m${n}`, 'good')
    expect(one.models.byModel.size).toBe(0)
    for (let n = 0; n < 1_000; n++) run(one, `m${n}`, 'failure')
    expect(one.models.byModel.size).toBe(MODEL_BREAKERS_MAX)
  })

  it('lets a probing place go again, whatever becomes of the probing request', () => {
    const verdict = fc.constantFrom<Verdict>('good', 'connect', 'failure', 'nothing')
    const step = fc.tuple(fc.constantFrom('a', 'b', 'c'), verdict, fc.nat(20_000))
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const one = open()
        let nowMs = 0
        for (const [model, what, ms] of steps) run(one, model, what, (nowMs += ms))
        const all = [one.breaker, ...one.models.byModel.values()]
        expect(all.map(({ probing }) => probing)).toEqual(all.map(() => 0))
      }),
    )
  })
})
