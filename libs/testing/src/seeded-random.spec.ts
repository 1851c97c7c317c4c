import { seededRandom } from './seeded-random.ts'

const take = (seed: number, count: number) => {
  const random = seededRandom(seed)
  return Array.from({ length: count }, random)
}

describe('seededRandom', () => {
  it('says the same for the same seed and other things for another', () => {
    expect(take(7, 100)).toEqual(take(7, 100))
    expect(take(7, 100)).not.toEqual(take(8, 100))
  })

  it('stays within [0, 1) and spreads over it', () => {
    const numbers = take(1, 10_000)
    expect(numbers.filter((n) => !(n >= 0 && n < 1))).toEqual([])
    const tenths = new Array<number>(10).fill(0)
    for (const n of numbers) tenths[Math.floor(n * 10)] = (tenths[Math.floor(n * 10)] ?? 0) + 1
    expect(tenths.filter((count) => count < 900 || count > 1_100)).toEqual([])
  })
})
