import fc from 'fast-check'
import { STRATEGIES } from '@signalbox/model'
import { seededRandom } from '@signalbox/testing'
import { observeLatency } from './latency.ts'
import { pickFromRoute } from './pick.ts'
import { COMPARE_ALL_MAX } from './least.ts'
import { picking, type Picking } from './table-harness.ts'

const PICKS = 10_000

const random = seededRandom(7)

/** How often each backend is picked. `each` may change the world between picks. */
function counts(
  { route, context }: Picking,
  picks: number,
  each: (id: string, nowMs: number) => void = () => {},
): Record<string, number> {
  const all: Record<string, number> = {}
  for (let n = 0; n < picks; n++) {
    const id = pickFromRoute(route, context({ nowMs: n }))?.backend.id ?? 'none'
    all[id] = (all[id] ?? 0) + 1
    each(id, n)
  }
  return all
}

const backendsOf = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`b${n}`, {}]))

describe('RoundRobin', () => {
  const of = (backends: Record<string, object>) =>
    picking({ backends, policy: { strategy: 'RoundRobin' }, random })

  it('gives each of three exactly a third, give or take one', () => {
    const all = counts(of(backendsOf(3)), PICKS)
    expect(Object.values(all).sort()).toEqual([3333, 3333, 3334])
  })

  it('gives the neighbour of a backend that is down no double share', () => {
    const world = of(backendsOf(3))
    world.byId('b1').eligible = false
    expect(counts(world, PICKS)).toEqual({ b0: 5000, b2: 5000 })
  })

  it('is exact to one for any number of backends, any of them down, weights aside', () => {
    const ups = fc.array(fc.boolean(), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(ups, fc.integer({ min: 1, max: 200 }), (up, picks) => {
        const world = of(
          Object.fromEntries(up.map((_, n) => [`b${n}`, { weight: n + 1 }] as const)),
        )
        up.forEach((eligible, n) => (world.byId(`b${n}`).eligible = eligible))
        const all = counts(world, picks)
        const usable = up.filter(Boolean).length
        if (usable === 0) return expect(all).toEqual({ none: picks })
        for (const [n, eligible] of up.entries()) {
          const share = all[`b${n}`] ?? 0
          if (!eligible) expect(share).toBe(0)
          else expect(Math.abs(share - picks / usable)).toBeLessThan(1)
        }
      }),
    )
  })
})

describe('WeightedRoundRobin', () => {
  const of = (backends: Record<string, object>) =>
    picking({ backends, policy: { strategy: 'WeightedRoundRobin' }, random })

  it('gives 3:1 exactly 7500 and 2500 of 10,000', () => {
    const world = of({ b0: { weight: 3 }, b1: { weight: 1 } })
    expect(counts(world, PICKS)).toEqual({ b0: 7500, b1: 2500 })
  })

  it('mixes them smoothly', () => {
    const world = of({ a: { weight: 3 }, b: { weight: 1 } })
    const picks: string[] = []
    counts(world, 8, (id) => picks.push(id))
    expect(picks.join('')).toBe('aabaaaba')
  })

  it('multiplies the weights of target and backend', () => {
    const targets = [
      { backend: 'b0', weight: 2 },
      { backend: 'b1', weight: 1 },
    ]
    const world = picking({
      backends: { b0: { weight: 2 }, b1: { weight: 1 } },
      policy: { strategy: 'WeightedRoundRobin' },
      tiers: [{ targets }],
      random,
    })
    expect(counts(world, PICKS)).toEqual({ b0: 8000, b1: 2000 })
  })

  /** Two sets of replicas, uneven, under targets of 7 and 3. */
  const split = (a: number, b: number) => {
    const replicas = (name: string, count: number, weight = 1) =>
      Array.from({ length: count }, (_, n) => [
        `${name}${n}`,
        { labels: { set: name }, weight: weight + n },
      ])
    return picking({
      backends: Object.fromEntries([...replicas('a', a), ...replicas('b', b)]),
      policy: { strategy: 'WeightedRoundRobin' },
      tiers: [
        {
          targets: [
            { labels: { set: 'a' }, weight: 7 },
            { labels: { set: 'b' }, weight: 3 },
          ],
        },
      ],
      random,
    })
  }
  const ofSet = (all: Record<string, number>, name: string) =>
    Object.entries(all).reduce((sum, [id, n]) => sum + (id.startsWith(name) ? n : 0), 0)

  it.each([
    [1, 1],
    [1, 4],
    [5, 2],
  ])('keeps 7:3 between targets of %i and %i replicas, whatever those weigh', (a, b) => {
    const all = counts(split(a, b), PICKS)
    expect([ofSet(all, 'a'), ofSet(all, 'b')]).toEqual([7000, 3000])
  })

  it('keeps 7:3 while a replica is down, and shares within its target', () => {
    const world = split(3, 2)
    world.byId('a2').eligible = false
    const all = counts(world, PICKS)
    expect([ofSet(all, 'a'), ofSet(all, 'b')]).toEqual([7000, 3000])
    expect(Math.abs((all['a1'] ?? 0) - 2 * (all['a0'] ?? 0))).toBeLessThanOrEqual(2)
  })

  it('gives all to the other target while one is down as a whole, then shares again', () => {
    const world = split(2, 12)
    const down = (eligible: boolean) => {
      for (const one of world.live) if (one.id.startsWith('b')) one.eligible = eligible
    }
    down(false)
    expect(ofSet(counts(world, 100), 'a')).toBe(100)
    down(true)
    expect(ofSet(counts(world, 1_000), 'b')).toBeGreaterThanOrEqual(299)
  })

  it('finds the one replica of many that is back', () => {
    const world = split(1, 40)
    for (const one of world.live) if (one.id.startsWith('b')) one.eligible = false
    counts(world, 10)
    world.byId('b33').eligible = true
    const all = counts(world, 1_000)
    expect(all['b33']).toBeGreaterThan(290)
  })

  it('shares what a backend that is down would have had by weight', () => {
    const world = of({ b0: { weight: 5 }, b1: { weight: 3 }, b2: { weight: 1 } })
    world.byId('b0').eligible = false
    expect(counts(world, PICKS)).toEqual({ b1: 7500, b2: 2500 })
  })

  it('is exact after every round of any weights', () => {
    const weights = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(weights, fc.integer({ min: 1, max: 4 }), (all, rounds) => {
        const sum = all.reduce((a, b) => a + b, 0)
        fc.pre(sum > 0)
        const world = of(Object.fromEntries(all.map((weight, n) => [`b${n}`, { weight }] as const)))
        const got = counts(world, sum * rounds)
        for (const [n, weight] of all.entries()) expect(got[`b${n}`] ?? 0).toBe(weight * rounds)
      }),
    )
  })
})

describe('LeastLatency', () => {
  const of = (count: number, more: object = {}) =>
    picking({
      backends: backendsOf(count),
      policy: { strategy: 'LeastLatency', ...more },
      random,
    })

  /** Answers every pick at once, after as long as `latency` says. */
  const answering =
    (world: Picking, latency: (id: string, nowMs: number) => number) =>
    (id: string, nowMs: number) =>
      observeLatency(world.byId(id), latency(id, nowMs), nowMs)

  it.each([[2], [3], [COMPARE_ALL_MAX]])('sends 90 %% and more to the fastest of %i', (count) => {
    const world = of(count)
    const all = counts(
      world,
      PICKS,
      answering(world, (id) => (id === 'b1' ? 20 : 100)),
    )
    expect(all['b1']).toBeGreaterThanOrEqual(PICKS * 0.9)
  })

  it('sends a large tier’s load by two choices: most to the faster half', () => {
    const world = of(40)
    const fast = (id: string) => Number(id.slice(1)) < 20
    const all = counts(
      world,
      PICKS,
      answering(world, (id) => (fast(id) ? 20 : 200)),
    )
    const toFast = Object.entries(all).reduce((sum, [id, n]) => sum + (fast(id) ? n : 0), 0)
    expect(toFast).toBeGreaterThan(PICKS * 0.7)
    expect(Object.keys(all)).toHaveLength(40)
  })

  it('leaves a backend that gets slow, and comes back to it when it is fast again', () => {
    const world = of(2)
    const slowNow = (nowMs: number) => nowMs >= 20_000 && nowMs < 40_000
    const latency = (id: string, nowMs: number) => {
      if (id === 'b1') return 50
      return slowNow(nowMs) ? 500 : 10
    }
    const picks: string[] = []
    counts(world, 140_000, (id, nowMs) => {
      picks.push(id)
      answering(world, latency)(id, nowMs)
    })
    const share = (from: number, to: number) =>
      picks.slice(from, to).filter((id) => id === 'b0').length / (to - from)
    expect(share(0, 20_000)).toBeGreaterThan(0.9)
    expect(share(20_000, 40_000)).toBeLessThan(0.1)
    expect(share(100_000, 140_000)).toBeGreaterThan(0.9)
  })

  it('sends less to a backend the more requests it has in flight', () => {
    const world = of(2)
    for (const id of ['b0', 'b1']) observeLatency(world.byId(id), 10, 0)
    world.byId('b0').inFlight = 5
    expect(pickFromRoute(world.route, world.context())?.backend.id).toBe('b1')
    world.byId('b1').inFlight = 9
    expect(pickFromRoute(world.route, world.context())?.backend.id).toBe('b0')
  })

  it('sends by the fallback strategy while nothing is known', () => {
    const plain = of(3, { fallbackStrategy: 'RoundRobin' })
    expect(Object.values(counts(plain, 9999))).toEqual([3333, 3333, 3333])
    const weighted = picking({
      backends: { b0: { weight: 3 }, b1: { weight: 1 } },
      policy: { strategy: 'LeastLatency', fallbackStrategy: 'WeightedRoundRobin' },
      random,
    })
    expect(counts(weighted, PICKS)).toEqual({ b0: 7500, b1: 2500 })
  })

  it('sends by the fallback strategy too while all first answers are on their way', () => {
    const world = of(2)
    const inFlight = (id: string) => (world.byId(id).inFlight += 1)
    expect(counts(world, 100, inFlight)).toEqual({ b0: 50, b1: 50 })
  })

  it('looks at a new backend with one request, not with all until it has answered', () => {
    const world = of(3)
    for (const id of ['b0', 'b1']) observeLatency(world.byId(id), 10, 0)
    const all = counts(world, 100, (id) => {
      if (id === 'b2') world.byId(id).inFlight += 1
    })
    expect(all['b2']).toBe(1)
  })

  it('looks at the one that no request is looking at yet', () => {
    const world = of(3)
    observeLatency(world.byId('b0'), 10, 0)
    world.byId('b1').inFlight = 1
    expect(pickFromRoute(world.route, world.context())?.backend.id).toBe('b2')
  })

  it('finds the faster of the last two that are up in a large tier', () => {
    const world = of(40)
    for (const live of world.live) {
      observeLatency(live, live.id === 'b2' ? 500 : 10, 0)
      live.eligible = live.id === 'b2' || live.id === 'b33'
    }
    expect(counts(world, 100)).toEqual({ b33: 100 })
  })

  it('takes the only usable one, however slow, in a small tier and in a large one', () => {
    for (const count of [3, 40]) {
      const world = of(count)
      for (const live of world.live) {
        observeLatency(live, live.id === 'b2' ? 5000 : 1, 0)
        live.eligible = live.id === 'b2'
      }
      expect(counts(world, 100)).toEqual({ b2: 100 })
    }
  })
})

it('every strategy allows itself no target twice in one request, and none when all are tried', () => {
  for (const strategy of STRATEGIES) {
    for (const count of [3, 20]) {
      const { route, context } = picking({
        backends: backendsOf(count),
        policy: { strategy },
        random,
      })
      const tried: number[] = []
      for (let n = 0; n < count; n++) {
        const target = pickFromRoute(route, context({ tried }))
        expect(target).toBeDefined()
        if (target) tried.push(target.backend.index)
      }
      expect(new Set(tried).size).toBe(count)
      expect(pickFromRoute(route, context({ tried }))).toBeUndefined()
    }
  }
})
