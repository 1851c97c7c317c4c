import { type Status } from '@signalbox/model'
import { suspectsItself, withoutDowns } from './suspect.ts'

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
const seen = (failing: number, passing: number) => [
  ...Array.from({ length: failing }, () => status('connection refused')),
  ...Array.from({ length: passing }, () => status(null)),
]

describe('suspectsItself', () => {
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
