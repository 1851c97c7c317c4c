import fc from 'fast-check'
import { type Failure } from '@signalbox/model'
import { next, type Outcome } from './attempt.ts'

const refused: Failure = {
  code: 'upstream_connect_failed',
  source: 'upstream',
  nothingSent: true,
  message: 'the backend did not accept a connection',
}
const failed = (failure: Failure, begun = false): Outcome => ({ kind: 'failed', failure, begun })

describe('next', () => {
  it('is done when the answer was relayed', () => {
    expect(next({ kind: 'answered' }, { attempts: 1, maxRetries: 2 })).toEqual({ kind: 'done' })
  })

  it('tries again where nothing was sent and a retry is left', () => {
    expect(next(failed(refused), { attempts: 1, maxRetries: 1 })).toEqual({ kind: 'again' })
  })

  it('gives up where no retry is left', () => {
    expect(next(failed(refused), { attempts: 2, maxRetries: 1 })).toEqual({
      kind: 'give-up',
      failure: refused,
      why: 'spent',
    })
  })

  it.each([[0], [1], [2], [10]])('makes exactly one attempt more than %i retries', (maxRetries) => {
    let attempts = 1
    while (next(failed(refused), { attempts, maxRetries }).kind === 'again') attempts += 1
    expect(attempts).toBe(maxRetries + 1)
  })

  it('gives up where the backend may have begun to work', () => {
    const failure = { ...refused, nothingSent: false }
    const step = next(failed(failure), { attempts: 1, maxRetries: 5 })
    expect(step).toEqual({ kind: 'give-up', failure, why: 'final' })
  })

  it.each([['downstream'], ['internal']] as const)('gives up a %s failure', (source) => {
    const failure = { ...refused, source }
    const step = next(failed(failure), { attempts: 1, maxRetries: 5 })
    expect(step).toEqual({ kind: 'give-up', failure, why: 'final' })
  })

  it('never tries again once the client has a byte', () => {
    const any = fc.record({
      nothingSent: fc.boolean(),
      source: fc.constantFrom('upstream' as const, 'downstream' as const, 'internal' as const),
      attempts: fc.integer({ min: 1, max: 10 }),
      maxRetries: fc.nat({ max: 10 }),
    })
    fc.assert(
      fc.property(any, ({ nothingSent, source, attempts, maxRetries }) => {
        const failure = { ...refused, nothingSent, source }
        const step = next(failed(failure, true), { attempts, maxRetries })
        expect(step).toEqual({ kind: 'give-up', failure, why: 'begun' })
      }),
    )
  })
})
