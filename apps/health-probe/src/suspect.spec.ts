import { type Status } from '@signalbox/model'
import { Suspicion, withoutDowns } from './suspect.ts'

const status = (error: string | null, health: Status['health'] = 'ready'): Status => ({
  backend: 'b',
  health,
  sinceMs: 1,
  checkedAtMs: 1,
  latencyMs: 1,
  error,
  models: null,
  revision: 1,
  observer: 'p',
})
const suspectsItself = (statuses: readonly Status[]) => {
  const suspicion = new Suspicion()
  // Each looked at before, with the opposite result: the last look counts.
  for (const [n, one] of statuses.entries()) {
    const error = one.error === null ? 'failed before' : null
    suspicion.saw({ ...one, backend: `b${n}`, latencyMs: 1, error })
  }
  for (const [n, one] of statuses.entries()) suspicion.saw({ ...one, backend: `b${n}` })
  return suspicion.suspects()
}
const seen = (failing: number, passing: number) => [
  ...Array.from({ length: failing }, () => status('connection refused')),
  ...Array.from({ length: passing }, () => status(null)),
]

describe('a probe suspects itself', () => {
  it.each([
    [5, 0],
    [9, 1],
    [81, 19],
  ])('with %i failing and %i passing', (failing, passing) => {
    expect(suspectsItself(seen(failing, passing))).toBe(true)
  })

  it.each([
    [0, 0],
    [0, 9],
    [4, 1],
    [8, 2],
    [80, 20],
  ])('not with %i failing and %i passing', (failing, passing) => {
    expect(suspectsItself(seen(failing, passing))).toBe(false)
  })

  it('by what it looked at alone, not by what it could not look at', () => {
    const unseen = { ...status('credential does not open', 'unknown'), latencyMs: null }
    expect(suspectsItself([...seen(5, 0), ...Array.from({ length: 9 }, () => unseen)])).toBe(true)
    expect(suspectsItself([...seen(1, 1), ...Array.from({ length: 9 }, () => unseen)])).toBe(false)
  })

  it('no longer by what it has ceased to look at', () => {
    const suspicion = new Suspicion()
    for (const n of [1, 2, 3, 4, 5]) suspicion.saw({ ...status('gone'), backend: `b${n}` })
    expect(suspicion.suspects()).toBe(true)
    suspicion.forget('b5')
    suspicion.forget('b5')
    expect(suspicion.suspects()).toBe(false)
    suspicion.saw({ ...status(null), backend: 'b5' })
    expect(suspicion.suspects()).toBe(false)
  })

  it.each([1, 2, 3, 4])('never with so few as %i, though all fail', (failing) => {
    expect(suspectsItself(seen(failing, 0))).toBe(false)
  })
})

describe('withoutDowns', () => {
  it('says unknown for down and leaves all else as it is', () => {
    const [down, warming, ready] = [
      status('answered 500', 'down'),
      status('answered 503', 'warming_up'),
      status(null),
    ]
    expect(withoutDowns([down, warming, ready])).toEqual([
      { ...down, health: 'unknown' },
      warming,
      ready,
    ])
    expect(down.health).toBe('down')
  })
})
