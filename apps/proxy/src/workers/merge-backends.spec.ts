import { type SeenBackend } from '../answers.ts'
import { mergeBackends } from './merge-backends.ts'

const breaker = (state: SeenBackend['breaker']['state']): SeenBackend['breaker'] => {
  return { state, cause: null, failures: 0, ejections: 0, triedAgainInMs: null, share: 1 }
}
const seen = (more: Partial<SeenBackend>): SeenBackend => ({
  ...{ id: 'b1', url: 'http://b1.test', enabled: true, health: 'ready', eligible: true },
  ...{ since: null, probeLatencyMs: null, firstByteMs: null, error: null, inFlight: 0 },
  ...{ models: null, pool: { open: 1, idle: 0, pending: 2 }, breaker: breaker('closed'), ...more },
})

describe('mergeBackends', () => {
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
