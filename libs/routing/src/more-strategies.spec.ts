import fc from 'fast-check'
import { type PolicySpec } from '@signalbox/model'
import { seededRandom } from '@signalbox/testing'
import { LOAD_FACTOR, LOAD_FLOOR } from './consistent-hash.ts'
import { hashText, mixed } from './hash.ts'
import { observeLatency, penaltyMs } from './latency.ts'
import { pickFromRoute } from './pick.ts'
import { picking, type Picking } from './table-harness.ts'
import { type PickContext } from './usable.ts'

const random = seededRandom(11)
const KEYS = 10_000

const worldOf = (
  count: number,
  policy: Partial<PolicySpec>,
  spec: (n: number) => object = () => ({}),
) =>
  picking({
    backends: Object.fromEntries(Array.from({ length: count }, (_, n) => [`b${n}`, spec(n)])),
    policy,
    random,
  })

const idOf = ({ route, context }: Picking, more: Partial<PickContext> = {}) =>
  pickFromRoute(route, context(more))?.backend.id ?? 'none'

function countOf(world: Picking, picks: number, more: Partial<PickContext> = {}) {
  const all: Record<string, number> = {}
  for (let n = 0; n < picks; n++) {
    const id = idOf(world, more)
    all[id] = (all[id] ?? 0) + 1
  }
  return all
}

const chiSquare = (got: readonly number[], wanted: readonly number[]) =>
  got.reduce((sum, count, n) => sum + (count - (wanted[n] ?? 0)) ** 2 / (wanted[n] ?? 1), 0)

describe('Random', () => {
  it('is even: chi-square over ten backends', () => {
    const all = countOf(worldOf(10, { strategy: 'Random' }), 10_000)
    // 27.9: the 99.9 % quantile at nine degrees of freedom.
    expect(chiSquare(Object.values(all), new Array(10).fill(1_000))).toBeLessThan(27.9)
  })

  it('goes by weight, and by weight among those that are up', () => {
    const world = worldOf(4, { strategy: 'Random' }, (n) => ({ weight: n }))
    const all = countOf(world, 12_000)
    expect(all['b0']).toBeUndefined()
    const got = ['b1', 'b2', 'b3'].map((id) => all[id] ?? 0)
    expect(chiSquare(got, [2_000, 4_000, 6_000])).toBeLessThan(13.8)
    world.byId('b2').eligible = false
    const rest = countOf(world, 8_000)
    expect(chiSquare([rest['b1'] ?? 0, rest['b3'] ?? 0], [2_000, 6_000])).toBeLessThan(10.8)
  })

  it('finds the one of many that is up', () => {
    const world = worldOf(500, { strategy: 'Random' })
    for (const one of world.live) one.eligible = one.id === 'b321'
    expect(countOf(world, 50)).toEqual({ b321: 50 })
  })
})

describe('LeastRequests', () => {
  it('takes the one with the fewest in flight, by weight', () => {
    const world = worldOf(3, { strategy: 'LeastRequests' }, (n) => ({ weight: n === 2 ? 4 : 1 }))
    Object.assign(world.byId('b0'), { inFlight: 1 })
    Object.assign(world.byId('b1'), { inFlight: 2 })
    Object.assign(world.byId('b2'), { inFlight: 6 })
    expect(countOf(world, 10)).toEqual({ b2: 10 })
    world.byId('b2').inFlight = 8
    expect(countOf(world, 10)).toEqual({ b0: 10 })
  })

  it('keeps a hundred backends level by two choices', () => {
    const world = worldOf(100, { strategy: 'LeastRequests' })
    for (let n = 0; n < 1_000; n++) world.byId(idOf(world)).inFlight += 1
    expect(Math.max(...world.live.map(({ inFlight }) => inFlight))).toBeLessThanOrEqual(14)
  })
})

describe('ConsistentHash', () => {
  const policy = { strategy: 'ConsistentHash' } as const
  const place = (world: Picking) =>
    Array.from({ length: KEYS }, (_, n) => idOf(world, { hash: hashText(`key-${n}`) }))

  it.each([[3], [10], [100]])(
    'moves 1 / N of the keys, and no other, when one of %i leaves',
    (n) => {
      const before = place(worldOf(n, policy))
      const after = place(worldOf(n - 1, policy))
      const gone = `b${n - 1}`
      const moved = before.filter((id, key) => id !== after[key])
      expect(new Set(moved)).toEqual(new Set([gone]))
      expect(moved.length).toBeLessThan((KEYS / n) * 1.6)
    },
  )

  it('moves the same keys when a backend goes down, and they come back', () => {
    const world = worldOf(10, policy)
    const before = place(world)
    world.byId('b4').eligible = false
    const down = place(world)
    expect(before.every((id, key) => id === 'b4' || id === down[key])).toBe(true)
    expect(down).not.toContain('b4')
    world.byId('b4').eligible = true
    expect(place(world)).toEqual(before)
  })

  it('places by the names of backends, not by their order', () => {
    const one = picking({ backends: { a: {}, b: {}, c: {} }, policy, random })
    const other = picking({ backends: { c: {}, a: {}, b: {} }, policy, random })
    expect(place(one)).toEqual(place(other))
  })

  it('gives keys by weight', () => {
    const ids = place(worldOf(2, policy, (n) => ({ weight: n === 0 ? 3 : 1 })))
    const share = ids.filter((id) => id === 'b0').length / KEYS
    expect(share).toBeGreaterThan(0.65)
    expect(share).toBeLessThan(0.85)
  })

  it('lets no key drown a backend: loads are bounded', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 12 }), fc.nat({ max: 400 }), (count, requests) => {
        const world = worldOf(count, policy)
        for (let n = 0; n < requests; n++) world.byId(idOf(world, { hash: 77 })).inFlight += 1
        const bound = Math.max(LOAD_FLOOR, Math.ceil((LOAD_FACTOR * requests) / count))
        for (const { inFlight } of world.live) expect(inFlight).toBeLessThanOrEqual(bound)
      }),
      { numRuns: 50 },
    )
  })

  it('falls back where there is nothing to hash', () => {
    const world = worldOf(3, { ...policy, fallbackStrategy: 'RoundRobin' })
    expect(countOf(world, 9)).toEqual({ b0: 3, b1: 3, b2: 3 })
  })

  it('hashes evenly', () => {
    const buckets = new Array<number>(16).fill(0)
    for (let n = 0; n < 16_000; n++) {
      const bucket = hashText(`k${n}`) >>> 28
      buckets[bucket] = (buckets[bucket] ?? 0) + 1
    }
    expect(chiSquare(buckets, new Array(16).fill(1_000))).toBeLessThan(37.7)
    // Fixed for ever: another value would move every session at an update.
    expect([hashText(''), hashText('signalbox'), mixed(1)]).toEqual([
      2872998923, 1824863374, 1364076727,
    ])
  })
})

describe('Locality', () => {
  const policy = { strategy: 'Locality' } as const
  const zones = ['a', 'a', 'b', 'c']
  const world = () =>
    worldOf(4, policy, (n) => ({
      labels: { zone: zones[n], region: n < 3 ? 'eu' : 'us' },
    }))
  const here = { zone: 'a', region: 'eu' }

  it('stays in the zone of the proxy', () => {
    expect(countOf(world(), 100, { place: here })).toEqual({ b0: 50, b1: 50 })
  })

  it('goes to the region when the zone is down, then elsewhere', () => {
    const it = world()
    for (const id of ['b0', 'b1']) it.byId(id).eligible = false
    expect(countOf(it, 10, { place: here })).toEqual({ b2: 10 })
    it.byId('b2').eligible = false
    expect(countOf(it, 10, { place: here })).toEqual({ b3: 10 })
  })

  it('spills over what half a zone cannot stand', () => {
    const it = world()
    it.byId('b0').eligible = false
    const all = countOf(it, 10_000, { place: here })
    // Half of the weight, times the headroom of 1.4.
    expect((all['b1'] ?? 0) / 10_000).toBeCloseTo(0.7, 1)
    expect((all['b1'] ?? 0) + (all['b2'] ?? 0)).toBe(10_000)
  })

  it('uses all where nobody says where the proxy is', () => {
    expect(countOf(world(), 8)).toEqual({ b0: 2, b1: 2, b2: 2, b3: 2 })
  })

  it('takes no zone of another region for its own', () => {
    const it = worldOf(2, policy, (n) => ({ labels: { zone: 'a', region: n ? 'eu' : 'us' } }))
    expect(countOf(it, 10, { place: here })).toEqual({ b1: 10 })
  })
})

describe('a penalty', () => {
  it.each([
    [200, undefined, 0],
    [404, undefined, 0],
    [429, undefined, 5_000],
    [429, '7', 7_000],
    [503, '99999', 60_000],
    [429, '0', 1_000],
    [429, 'Wed, 21 Oct 2026 07:28:00 GMT', 5_000],
  ])('for %i with retry-after %s is %i ms', (status, retryAfter, ms) => {
    expect(penaltyMs(status, retryAfter)).toBe(ms)
  })

  it('sends LeastLatency elsewhere, for a while', () => {
    const world = worldOf(2, { strategy: 'LeastLatency' })
    observeLatency(world.byId('b0'), penaltyMs(429), 0)
    observeLatency(world.byId('b1'), 300, 0)
    expect(countOf(world, 20, { nowMs: 10 })).toEqual({ b1: 20 })
    observeLatency(world.byId('b1'), 300, 60_000)
    expect(idOf(world, { nowMs: 60_000 })).toBe('b0')
  })
})
