import { type SeenBackend } from '../answers.ts'
import { mergeBackends } from './merge-backends.ts'

const breaker = (state: SeenBackend['breaker']['state']): SeenBackend['breaker'] => {
  return {
    state,
    cause: null,
    failures: 0,
    ejections: 0,
    triedAgainInMs: null,
    share: 1,
    models: [],
  }
}
const seen = (more: Partial<SeenBackend>): SeenBackend => ({
  ...{ id: 'b1', url: 'http://b1.test', enabled: true, health: 'ready', eligible: true },
  ...{ since: null, probeLatencyMs: null, firstByteMs: null, error: null, inFlight: 0 },
  ...{ models: null, pool: { open: 1, idle: 0, pending: 2 }, breaker: breaker('closed'), ...more },
})

describe('mergeBackends', () => {
  it('shows of each model the worst that any worker found', () => {
    const own = (model: string, state: 'open' | 'half_open') => {
      const facts = { model, state, failures: 5, share: 1 }
      return seen({ breaker: { ...breaker('closed'), models: [facts] } })
    }
    const of = (...backends: SeenBackend[]) =>
      mergeBackends(backends.map((one) => ({ revision: 1, backends: [one] }))).backends[0]?.breaker
    const states = (all = of()) => all?.models.map(({ model, state }) => [model, state])
    expect(states(of(own('a', 'half_open'), own('a', 'open')))).toEqual([['a', 'open']])
    expect(states(of(own('a', 'open'), own('a', 'half_open')))).toEqual([['a', 'open']])
    const apart = [
      ['a', 'open'],
      ['b', 'open'],
    ]
    expect(states(of(own('a', 'open'), own('b', 'open')))).toEqual(apart)
  })

  it('sums what is in flight; one that may be used by any worker may be used', () => {
    const first = { revision: 4, backends: [seen({ inFlight: 2, firstByteMs: 10 })] }
    const second = {
      revision: 5,
      backends: [seen({ inFlight: 3, eligible: false, breaker: breaker('open') })],
    }
    expect(mergeBackends([first, second])).toEqual({
      revision: 4,
      backends: [
        seen({
          ...{ inFlight: 5, firstByteMs: 10, breaker: breaker('open') },
          pool: { open: 2, idle: 0, pending: 4 },
        }),
      ],
    })
  })

  it('believes who has heard of a status, not who has just started', () => {
    const parts = (['unknown', 'down'] as const).map((health) => {
      return { revision: 1, backends: [seen({ health, error: health === 'down' ? 'e' : null })] }
    })
    expect(mergeBackends(parts).backends).toMatchObject([{ health: 'down', error: 'e' }])
    expect(mergeBackends([...parts].reverse()).backends).toMatchObject([{ health: 'down' }])
  })

  it('answers nothing for nobody', () => {
    expect(mergeBackends([])).toEqual({ revision: 0, backends: [] })
  })
})
