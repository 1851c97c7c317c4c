import fc from 'fast-check'
import {
  cutPieces,
  LayeredMap,
  PackedMap,
  type PackedPiece,
  parseSpec,
  type Resource,
  type Snapshot,
} from '@signalbox/model'
import { keyDigester } from './key-digest.ts'
import { type CompiledKey, compileKeys, findKey } from './keys.ts'
import { snapshotOf } from './table-harness.ts'

type Keys = Snapshot['keys']
type KeyResource = Keys extends ReadonlyMap<string, infer Value> ? Value : never

const hashOf = (nth: number) => nth.toString(16).padStart(8, '0').repeat(8)
const noon = '2026-12-31T12:00:00Z'

/** Specs as they may be written; each key has hashes of its own. */
const given = fc.record(
  {
    enabled: fc.boolean(),
    name: fc.string({ maxLength: 8 }),
    owner: fc.constantFrom('a', '"}],{"id":"z"', '\\', 'é'),
    routes: fc.constantFrom(['*'], ['m'], ['m', 'gpt/4']),
    limits: fc.constantFrom({}, { rpm: 5 }, { rpm: 5, concurrency: 2 }),
    budget: fc.constantFrom({ usd: 3 }, { usd: 0.5, period: 'day' }),
    expiresAt: fc.constantFrom(noon, '2030-01-01T00:00:00Z'),
    former: fc.boolean(),
  },
  { requiredKeys: [] },
)
type Given = typeof given extends fc.Arbitrary<infer Value> ? Value : never

function keyOf(nth: number, { former, ...spec }: Given, turn = 0): KeyResource {
  const previous = former
    ? { hash: hashOf(4_000_000 + nth + 10_000 * turn), until: noon }
    : undefined
  const hash = hashOf(nth + 10_000 * turn)
  const parsed = parseSpec('key', { ...spec, hash, ...(previous ? { previous } : {}) })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error))
  const at = { createdAt: noon, updatedAt: noon }
  return { id: idOf(nth), version: 1, revision: 1, ...at, spec: parsed.value }
}

const idOf = (nth: number) => `k${String(nth).padStart(3, '0')}`

function packedOf(keys: readonly KeyResource[]): Keys {
  const digest = keyDigester()
  const pieces: PackedPiece[] = []
  for (let start = 0; start < keys.length; start += 7) {
    for (const { first, count, text } of cutPieces(keys.slice(start, start + 7))) {
      const data = new TextEncoder().encode(text)
      pieces.push({ first, count, hash: '', data, digest: digest(data) })
    }
  }
  const unpack = ({ data }: PackedPiece) =>
    JSON.parse(new TextDecoder().decode(data)) as readonly Resource[]
  return PackedMap.of(pieces, unpack) as ReadonlyMap<string, Resource> as Keys
}

const compiledOf = (keys: Keys) => compileKeys({ ...snapshotOf({}), keys })
const sorted = (keys: Iterable<CompiledKey>) =>
  [...keys].map((key) => [key.id, key.endsS, key]).sort()

describe('keys that lie packed', () => {
  it('are found as those of a plain map are, whatever they hold', () => {
    fc.assert(
      fc.property(fc.array(given, { minLength: 1, maxLength: 40 }), (specs) => {
        const keys = specs.map((spec, nth) => keyOf(nth, spec))
        const plain = compiledOf(new Map(keys.map((key) => [key.id, key])))
        const packed = compiledOf(packedOf(keys))
        for (const { spec } of keys) {
          for (const hash of [spec.hash, spec.previous?.hash ?? hashOf(9)]) {
            expect(packed.get(hash)).toEqual(plain.get(hash))
          }
        }
        expect(sorted(packed.values())).toEqual(sorted(plain.values()))
      }),
    )
  })

  it('and change are found as they are now, and by no hash that they had', () => {
    const change = fc.tuple(fc.integer({ min: 0, max: 59 }), fc.option(given))
    const rounds = fc.array(fc.array(change, { minLength: 1, maxLength: 9 }), { maxLength: 6 })
    fc.assert(
      fc.property(fc.array(given, { minLength: 40, maxLength: 40 }), rounds, (specs, all) => {
        const start = specs.map((spec, nth) => keyOf(nth, spec))
        const plain = new Map(start.map((key) => [key.id, key]))
        let keys: ReadonlyMap<string, KeyResource> = LayeredMap.of(packedOf(start))
        let compiled = compiledOf(keys)
        for (const [turn, round] of all.entries()) {
          const changes = new Map(
            round.map(([nth, spec]) => [idOf(nth), spec && keyOf(nth, spec, turn + 1)]),
          )
          for (const [id, now] of changes) {
            if (now) plain.set(id, now)
            else plain.delete(id)
          }
          const former = { keys: compiled, keysOf: keys }
          keys = LayeredMap.of(keys).with(changes)
          compiled = compileKeys({ ...snapshotOf({}), keys }, former)
          const expected = sorted(compiledOf(plain).values())
          expect(sorted(compiled.values())).toEqual(expected)
          // From the beginning, as after a restart.
          expect(sorted(compiledOf(keys).values())).toEqual(expected)
        }
      }),
      { numRuns: 50 },
    )
  })

  it('are not found by what is no hash, nor by an upper-case one', () => {
    const keys = compiledOf(packedOf([keyOf(0xabcdef, {})]))
    expect(findKey(keys, hashOf(0xabcdef), 0)?.id).toBe(idOf(0xabcdef))
    for (const wrong of ['', 'x', hashOf(0xabcdef).toUpperCase(), `${hashOf(0xabcdef)}0`]) {
      expect(findKey(keys, wrong, 0)).toBeUndefined()
    }
  })

  it('of which the former ones are of another snapshot are compiled anew', () => {
    const former = packedOf([keyOf(1, {})])
    const keys = packedOf([keyOf(2, {})])
    const compiled = compileKeys(
      { ...snapshotOf({}), keys },
      { keys: compiledOf(former), keysOf: former },
    )
    expect([...compiled.values()].map(({ id }) => id)).toEqual([idOf(2)])
  })
})

describe('a digest of keys', () => {
  const textOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))

  it.each([
    ['ids that are not in order', [keyOf(2, {}), keyOf(1, {})]],
    ['an id twice', [keyOf(1, {}), keyOf(1, {})]],
    ['a key without an id', [{ spec: {} }]],
    ['a key with terms that are none', [{ id: 'k', spec: { enabled: true, routes: 7 } }]],
    ['something else', { id: 'k' }],
  ])('refuses %s', (_, value) => {
    expect(() => keyDigester()(textOf(value))).toThrow()
  })

  it('lets nobody in by a hash that is none', () => {
    const key = { id: 'k', spec: { enabled: true, routes: ['*'], hash: 'zz'.repeat(32) } }
    const rows = keyDigester()(textOf([key]))
    expect([rows.count, rows.rows, rows.has('k'), rows.has('l')]).toEqual([1, 0, true, false])
  })
})
