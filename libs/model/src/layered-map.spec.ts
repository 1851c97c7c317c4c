import fc from 'fast-check'
import { LayeredMap, LAYER_MAX } from './layered-map.ts'

type Changes = readonly (readonly [key: string, value: number | null])[]

const key = fc.constantFrom(...'abcdefghijkl')
const change = fc.tuple(key, fc.option(fc.integer({ min: 0, max: 99 })))
const changes: fc.Arbitrary<Changes> = fc
  .array(change, { maxLength: 6 })
  .map((all) => [...new Map(all)])

/** A plain map with the same changes. */
function plain(map: ReadonlyMap<string, number>, all: Changes): Map<string, number> {
  const copy = new Map(map)
  for (const [name, value] of all) {
    if (value === null) copy.delete(name)
    else copy.set(name, value)
  }
  return copy
}

describe('a layered map', () => {
  it('holds what a plain map would, however it was changed', () => {
    fc.assert(
      fc.property(fc.array(changes, { maxLength: 20 }), (rounds) => {
        let layered = LayeredMap.of(new Map([...'abcdef'].map((name, n) => [name, n])))
        let expected = new Map(layered)
        for (const round of rounds) {
          const before = [...layered]
          const next = layered.with(new Map(round))
          expected = plain(expected, round)
          expect(new Map(next)).toEqual(expected)
          expect(next.size).toBe(expected.size)
          for (const name of 'abcdefghijkl') {
            expect([next.has(name), next.get(name)]).toEqual([
              expected.has(name),
              expected.get(name),
            ])
          }
          expect([...next.keys()].sort()).toEqual([...expected.keys()].sort())
          expect([...next.values()].sort()).toEqual([...expected.values()].sort())
          expect([...layered]).toEqual(before)
          layered = next
        }
      }),
    )
  })

  it('keeps the order of insertion, and changed members in their old place', () => {
    const map = LayeredMap.of(new Map(Array.from({ length: 40 }, (_, n) => [`k${n}`, n])))
    const next = map.with(
      new Map([
        ['k1', 7],
        ['new', 8],
        ['k0', null],
      ]),
    )
    expect([...next.keys()].slice(0, 2)).toEqual(['k1', 'k2'])
    expect([...next.keys()].at(-1)).toBe('new')
    const seen: string[] = []
    next.forEach((_, name) => seen.push(name))
    expect(seen).toEqual([...next.keys()])
  })

  it('stays whole when the layer is copied into the base', () => {
    const size = 5 * LAYER_MAX
    let map = LayeredMap.of(new Map(Array.from({ length: size }, (_, n) => [`k${n}`, 0])))
    for (let n = 0; n < 2 * LAYER_MAX; n++) map = map.with(new Map([[`k${n}`, 1]]))
    expect([...map.values()].reduce((sum, value) => sum + value, 0)).toBe(2 * LAYER_MAX)
    expect(map.size).toBe(size)
  })

  it('is the same where it is one already', () => {
    const map = LayeredMap.of(new Map([['a', 1]]))
    expect(LayeredMap.of(map)).toBe(map)
  })
})
