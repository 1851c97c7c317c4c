import fc from 'fast-check'
import { nextInTurn, nextParked, openTurns, park, takeTurn, unpark } from './turns.ts'

function taken(weights: readonly number[], count: number): number[] {
  const turns = openTurns(weights)
  return Array.from({ length: count }, () => {
    const member = nextInTurn(turns)
    takeTurn(turns)
    return member
  })
}

describe('turns', () => {
  it('lie as far apart as they can', () => {
    expect(taken([3, 1], 8).join('')).toBe('00100010')
    expect(taken([1, 1, 1], 6).join('')).toBe('012012')
  })

  it('are exact in each round, and never more than one off within it', () => {
    const all = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 10 })
    fc.assert(
      fc.property(all, fc.nat({ max: 2_000 }), (weights, count) => {
        const sum = weights.reduce((a, b) => a + b, 0)
        fc.pre(sum > 0)
        const got = taken(weights, count)
        for (const [member, weight] of weights.entries()) {
          const turns = got.filter((one) => one === member).length
          const due = (count * weight) / sum
          if (count % sum === 0) expect(turns).toBe(due)
          // The schedule's own bound: half a turn of each of the others.
          else expect(Math.abs(turns - due)).toBeLessThanOrEqual(weights.length / 2 + 1)
        }
      }),
    )
  })

  it('have nobody where all weights are 0', () => {
    expect(nextInTurn(openTurns([0, 0]))).toBe(-1)
    expect(nextInTurn(openTurns([]))).toBe(-1)
  })

  it('pass over who is parked, who comes back without a flood', () => {
    const turns = openTurns([1, 1])
    expect(nextInTurn(turns)).toBe(0)
    park(turns)
    for (let n = 0; n < 1_000; n++) {
      expect(nextInTurn(turns)).toBe(1)
      takeTurn(turns)
    }
    expect(nextParked(turns)).toBe(0)
    unpark(turns)
    const after = Array.from({ length: 6 }, () => {
      const member = nextInTurn(turns)
      takeTurn(turns)
      return member
    })
    expect(after.filter((member) => member === 0)).toHaveLength(3)
  })

  it('look at all who are parked, one after the other', () => {
    const turns = openTurns([1, 1, 1])
    for (let n = 0; n < 3; n++) park(turns)
    expect(nextInTurn(turns)).toBe(-1)
    const looked = [nextParked(turns), nextParked(turns), nextParked(turns)]
    expect(looked.sort()).toEqual([0, 1, 2])
  })
})
