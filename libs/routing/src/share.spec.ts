import fc from 'fast-check'
import { isInShare } from './share.ts'

const backends = Array.from({ length: 1_000 }, (_, n) => `backend-${n}`)
const names = (count: number) => Array.from({ length: count }, (_, n) => `probe-${n}`)
const sharesOf = (members: readonly string[], observersMax: number) =>
  members.map((self) =>
    backends.filter((backend) => isInShare(backend, { self, members, observersMax })),
  )

describe('a share', () => {
  it('is all while there are no more probes than observers', () => {
    for (const members of [[], ['probe-0'], names(3)]) {
      const share = { self: 'probe-0', members, observersMax: 3 }
      expect(backends.every((backend) => isInShare(backend, share))).toBe(true)
    }
  })

  it('gives each backend exactly as many observers as are asked for', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 9 }),
        fc.integer({ min: 1, max: 4 }),
        fc.string(),
        (members, observersMax, backend) => {
          const owners = members.filter((self) =>
            isInShare(backend, { self, members, observersMax }),
          )
          expect(owners).toHaveLength(Math.min(members.length, observersMax))
        },
      ),
    )
  })

  it('is about as large as any other', () => {
    for (const share of sharesOf(names(5), 1)) {
      expect(share.length).toBeGreaterThan(150)
      expect(share.length).toBeLessThan(250)
    }
  })

  it('moves only what a probe that leaves had, to all the others', () => {
    const before = sharesOf(names(5), 1)
    const after = sharesOf(names(4), 1)
    const [left = []] = before.slice(4)
    const gained = after.map((share, n) => share.filter((one) => !before[n]?.includes(one)))
    expect(
      before
        .slice(0, 4)
        .flat()
        .filter((one) => !after.flat().includes(one)),
    ).toEqual([])
    expect(gained.flat().toSorted()).toEqual(left.toSorted())
    expect(gained.every((share) => share.length > 0)).toBe(true)
  })
})
