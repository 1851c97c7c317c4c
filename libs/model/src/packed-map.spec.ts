import fc from 'fast-check'
import { EVENT_SCHEMA, type RevisionBody } from './event.ts'
import { LayeredMap, LAYER_MAX, withChanges } from './layered-map.ts'
import { PackedMap, type PackedPiece } from './packed-map.ts'
import { project } from './project.ts'
import { type Resource } from './resource.ts'
import { emptySnapshot, snapshotFrom } from './snapshot.ts'

const resource = (id: string, revision: number) =>
  ({ id, version: 1, revision, createdAt: '', updatedAt: '', spec: {} }) as Resource
const idOf = (nth: number) => `k-${String(nth).padStart(4, '0')}`

/** Pieces of ten; `noted`: with digests, so that what is not there is known without unpacking. */
function packed(count: number, noted = true) {
  const unpacked: string[] = []
  const pieces: PackedPiece[] = []
  const map = new Map<string, Resource>()
  for (let start = 0; start < count; start += 10) {
    const all = Array.from({ length: Math.min(10, count - start) }, (_, nth) =>
      resource(idOf(2 * (start + nth)), 1),
    )
    for (const one of all) map.set(one.id, one)
    const ids = all.map(({ id }) => id)
    const [first = '', last = ''] = [ids[0], ids.at(-1)]
    const digest = { first, last, count: ids.length, has: (id: string) => ids.includes(id) }
    const data = new TextEncoder().encode(JSON.stringify(all))
    pieces.push({ first, count: ids.length, hash: first, data, digest: noted ? digest : null })
  }
  const unpack = ({ data, first }: PackedPiece): readonly Resource[] => {
    unpacked.push(first)
    return JSON.parse(new TextDecoder().decode(data))
  }
  return { packed: PackedMap.of(pieces, unpack), map, unpacked }
}

const change = fc.tuple(
  fc.integer({ min: 0, max: 420 }).map(idOf),
  fc.option(fc.integer({ min: 2, max: 99 })),
)
const rounds = fc.array(fc.array(change, { maxLength: 30 }), { maxLength: 12 })
const changesOf = (round: readonly (readonly [string, number | null])[]) =>
  new Map(round.map(([id, n]) => [id, n === null ? null : resource(id, n)]))

describe('a packed map', () => {
  it.each([true, false])('(digests: %s) holds what a map would, however changed', (noted) => {
    fc.assert(
      fc.property(rounds, (all) => {
        const start = packed(200, noted)
        let given: ReadonlyMap<string, Resource> = start.packed
        const expected = new Map(start.map)
        for (const round of all) {
          const changes = changesOf(round)
          const [before, was] = [given, new Map(expected)]
          given = withChanges(given, changes)
          for (const [id, now] of changes) {
            if (now) expected.set(id, now)
            else expected.delete(id)
          }
          expect(given.size).toBe(expected.size)
          for (const id of changes.keys()) {
            expect([given.has(id), given.get(id)]).toEqual([expected.has(id), expected.get(id)])
          }
          const changed = LayeredMap.of(given).changedFrom(before)
          const differing = [...new Set([...was.keys(), ...expected.keys()])].filter((id) => {
            return was.get(id) !== expected.get(id)
          })
          expect([...(changed ?? [])]).toEqual(expect.arrayContaining(differing))
        }
        expect(new Map(given)).toEqual(expected)
        expect([...given.keys()].sort()).toEqual([...expected.keys()].sort())
        expect([...start.packed]).toEqual([...start.map])
      }),
      { numRuns: 40 },
    )
  })

  it('takes a full layer in without reading a piece, and forgets nothing of it', () => {
    const { packed: base, unpacked } = packed(5 * LAYER_MAX)
    let map = LayeredMap.of<Resource>(base)
    for (let n = 0; n < LAYER_MAX + 2; n++) {
      map = map.with(new Map([[idOf(2 * n + 1), resource(idOf(2 * n + 1), 2)]]))
    }
    expect(map.base).not.toBe(base)
    expect(map.size).toBe(base.size + LAYER_MAX + 2)
    expect(unpacked).toEqual([])
    const changed = [...(map.changedFrom(base) ?? [])].sort()
    expect(changed).toEqual(Array.from({ length: LAYER_MAX + 2 }, (_, n) => idOf(2 * n + 1)).sort())
  })

  it('names of one change that change, however much was changed before', () => {
    const { packed: base } = packed(100)
    const many = Array.from(
      { length: 20 },
      (_, n) => [idOf(2 * n), resource(idOf(2 * n), 2)] as const,
    )
    const map = LayeredMap.of<Resource>(base).with(new Map(many))
    const next = map.with(new Map([[idOf(2), null]]))
    expect([...(next.changedFrom(map) ?? [])]).toEqual([idOf(2)])
    const other = next.with(new Map([[idOf(2), resource(idOf(2), 3)]]))
    expect([...(other.changedFrom(next) ?? [])]).toEqual([idOf(2)])
    expect([...(other.changedFrom(other) ?? [])]).toEqual([])
  })

  it('unpacks each piece once for a revision, in whatever order that names what is in it', () => {
    const { packed: keys, unpacked } = packed(5 * LAYER_MAX)
    const empty = emptySnapshot('l')
    const snapshot = snapshotFrom(empty.head, (name) => (name === 'key' ? keys : new Map()))
    const ids = [0, 50, 2, 52, 4, 54].map(idOf)
    const events = ids.map((id, nth) => ({
      ...{ position: nth, type: 'key.deleted' as const, resource: 'key' as const, id },
      ...{ version: 2, schema: EVENT_SCHEMA, spec: null },
    }))
    const message = { ...empty.head, revision: 1, previousHash: '', hash: '', body: '' }
    const body = { events, revision: 1, at: '' } as unknown as RevisionBody
    expect(project(snapshot, message, body).keys.size).toBe(5 * LAYER_MAX - ids.length)
    expect(unpacked).toEqual([idOf(0), idOf(40)])
  })

  it('reads one piece for what lies in it, once for neighbours', () => {
    const { packed: map, unpacked } = packed(100)
    expect([map.get(idOf(0))?.id, map.get(idOf(2))?.id]).toEqual([idOf(0), idOf(2)])
    expect(map.get(idOf(1))).toBeUndefined()
    expect(map.get('a')).toBeUndefined()
    expect(unpacked).toEqual([idOf(0)])
  })

  it('has nothing in common with another one', () => {
    const [one, other] = [packed(20).packed, packed(20).packed]
    expect(LayeredMap.of<Resource>(one).changedFrom(other)).toBeUndefined()
    expect(LayeredMap.of<Resource>(one).changedFrom(new Map())).toBeUndefined()
  })
})
