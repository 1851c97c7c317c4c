import fc from 'fast-check'
import {
  FALLBACK_STRATEGIES,
  type FallbackStrategy,
  type PickInputs,
  STRATEGIES,
  type Strategy,
} from '@signalbox/model'
import { seededRandom } from '@signalbox/testing'
import { type Breaker, openBreaker } from './breaker.ts'
import { compile } from './compile.ts'
import { pickFromRoute } from './pick.ts'
import { fingerprintOfRoute, LOOKED_AT_MAX, record } from './record.ts'
import { replay } from './replay.ts'
import { type CompiledTarget } from './table.ts'
import { liveOf, snapshotOf } from './table-harness.ts'

const ZONES = [{}, { region: 'eu', zone: 'eu-1' }, { region: 'eu', zone: 'eu-2' }, { region: 'us' }]

interface World {
  readonly strategy: Strategy
  readonly fallbackStrategy: FallbackStrategy
  /** Weights of the backends, by tier and by group of the tier. */
  readonly tiers: readonly (readonly (readonly number[])[])[]
  readonly seed: number
}

/** Two processes that know the same revision: each compiles it for itself. */
function tableOf({ strategy, fallbackStrategy, tiers }: Omit<World, 'seed'>) {
  const limits = { connections: 2, pending: 1 }
  const backends: Record<string, object> = {}
  const targets = tiers.map((groups, tier) => ({
    targets: groups.map((weights, group) => {
      const name = `g${tier}-${group}`
      for (const [n, weight] of weights.entries()) {
        const labels = { group: name, ...ZONES[(n + group) % ZONES.length] }
        backends[`b${tier}-${group}-${n}`] = { limits, weight, labels }
      }
      return weights.length === 1
        ? { backend: `b${tier}-${group}-0` }
        : { labels: { group: name }, weight: group + 1 }
    }),
  }))
  const { table } = compile(
    snapshotOf({
      backends,
      routes: { m: { tiers: targets, policy: 'p' } },
      policies: { p: { strategy, fallbackStrategy } },
    }),
    new Map(),
  )
  const route = table.routes.get('m')
  if (!route) throw new Error('the route does not compile')
  return { table, route }
}

/** Live facts by lot: some down, full, ejected, in slow start, and some never measured. */
function shake(world: ReturnType<typeof tableOf>, random: () => number) {
  const [ofMany, open, slow] = [random(), random() * random(), random() * random()]
  const breakerOf = (): Breaker => ({
    ...openBreaker(),
    open: random() < open,
    cause: random() < 0.5 ? 'failures' : 'connect',
    untilMs: random() < 0.8 ? Infinity : 0,
    probing: random() < 0.5 ? 0 : 1,
    ...(random() < slow ? { recoveredMs: random() * 1e5, slowStartMs: 1e5 } : {}),
  })
  return liveOf(world.table).map((one) => ({
    ...one,
    eligible: random() < ofMany,
    inFlight: Math.floor(random() * (random() < 0.1 ? 9 : 3)),
    samples: random() < 0.5 ? 0 : 3,
    ewmaMs: random() * 100,
    ewmaAtMs: random() * 1e5,
    ...(random() < 0.5 ? {} : { breaker: breakerOf() }),
  }))
}

const group = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 7 })
const groups = fc.array(group, { minLength: 1, maxLength: 5 })
const worlds = fc.record({
  strategy: fc.constantFrom(...STRATEGIES),
  fallbackStrategy: fc.constantFrom(...FALLBACK_STRATEGIES),
  tiers: fc.array(groups, { minLength: 1, maxLength: 3 }),
  seed: fc.integer(),
})

/** Requests of three attempts each: here, in a twin that records nothing, and made again. */
function follow(given: World, check: (seen: Seen) => void) {
  const random = seededRandom(given.seed)
  const [here, other, twin] = [tableOf(given), tableOf(given), tableOf(given)]
  const place = { ...ZONES[Math.abs(given.seed) % ZONES.length], rack: 'r7' }
  let nowMs = 1e5
  for (let request = 0; request < 12; request++) {
    const live = shake(here, random)
    const hash = random() < 0.8 ? Math.floor(random() * 2 ** 32) : undefined
    const tried: number[] = []
    for (let attempt = 0; attempt < 3; attempt++) {
      nowMs += random() * (random() < 0.1 ? 2_000 : 20)
      const seed = random() * 1e9
      const moment = () => ({ live, nowMs, tried, random: seededRandom(seed), hash, place })
      const { target, inputs } = record(here.route, moment())
      const plain = pickFromRoute(twin.route, moment())
      const sent = JSON.parse(JSON.stringify(inputs)) as PickInputs | null
      const again = replay(other.table, other.route, sent)
      check({ target, plain, inputs, again })
      if (target) tried.push(target.backend.index)
    }
  }
}

interface Seen {
  readonly target: CompiledTarget | undefined
  readonly plain: CompiledTarget | undefined
  readonly inputs: PickInputs | null
  readonly again: ReturnType<typeof replay>
}
const idOf = (target: CompiledTarget | undefined) => target?.backend.id ?? null

describe('a recorded pick', () => {
  it('is the pick of the hot path, and is made again exactly, whatever the table', () => {
    const count = { none: 0, picked: 0, out: 0, slow: 0, ejected: 0, survey: 0, level: 0, upTo: 0 }
    fc.assert(
      fc.property(worlds, (given) => {
        follow(given, ({ target, plain, inputs, again }) => {
          if (idOf(plain) !== idOf(target)) expect(idOf(plain)).toBe(idOf(target))
          if (!inputs) return void count.out++
          // Said only where it is so: what is asked thousands of times costs more than the picks.
          const exact = again.ok && idOf(again.value) === idOf(target)
          if (!exact) expect(again).toMatchObject({ ok: true, value: target })
          if (target) count.picked++
          else count.none++
          if (inputs.slow && inputs.draws) count.slow++
          if (inputs.ejected) count.ejected++
          if (inputs.tiers) count.upTo++
          if (inputs.kept?.some(({ survey }) => survey)) count.survey++
          if (inputs.kept?.some(({ level }) => level)) count.level++
        })
      }),
      { numRuns: 150 },
    )
    // Each of these was met, and often.
    const { out, picked, upTo, ...met } = count
    expect(Math.min(...Object.values(met))).toBeGreaterThan(100)
    expect(upTo).toBeGreaterThan(0)
    expect(out).toBeLessThan(picked / 10)
  })

  it.each(STRATEGIES)('%s of a large tier holds little, and is left out else', (strategy) => {
    const count = { in: 0, out: 0 }
    for (const fallbackStrategy of FALLBACK_STRATEGIES) {
      const large = [Array(60).fill(1), Array(40).fill(2), [3]]
      follow({ strategy, fallbackStrategy, tiers: [large], seed: 7 }, (seen) => {
        expect(idOf(seen.plain)).toBe(idOf(seen.target))
        expect(JSON.stringify(seen.inputs).length).toBeLessThan(LOOKED_AT_MAX * 60)
        if (seen.inputs) expect(seen.again.ok && idOf(seen.again.value)).toBe(idOf(seen.target))
        else expect([seen.again.ok, ++count.out]).toEqual([false, count.out])
        if (seen.inputs) count.in++
      })
    }
    // Whose turn it is among so many is no longer little.
    if (strategy === 'WeightedRoundRobin') expect(count.in).toBe(0)
    else expect(count.in).toBeGreaterThan(count.out)
  })

  it('holds nothing but where it stood, where all is well', () => {
    const { table, route } = tableOf({
      strategy: 'RoundRobin',
      fallbackStrategy: 'RoundRobin',
      tiers: [[[1], [1], [1]]],
    })
    const context = { live: liveOf(table), nowMs: 0, random: () => 0, tried: [] }
    const of = fingerprintOfRoute(route)
    const same = { v: 1, strategy: 'RoundRobin', tier: 0, of }
    expect(record(route, context).inputs).toEqual(same)
    expect(record(route, context).inputs).toEqual({
      ...same,
      kept: [{ tier: 0, cursor: 1 }],
    })
  })
})

describe('a replay', () => {
  const world = { fallbackStrategy: 'RoundRobin', tiers: [[[1], [1]]] } as const
  const { table, route } = tableOf({ ...world, strategy: 'RoundRobin' })
  const context = { live: liveOf(table), nowMs: 0, random: () => 0, tried: [] }
  const { inputs } = record(route, context)
  const replayed = (more: object, where = { table, route }) =>
    replay(where.table, where.route, inputs && { ...inputs, ...more })

  it('says so where the route is another one here', () => {
    const weighted = tableOf({ ...world, strategy: 'WeightedRoundRobin' })
    expect(replayed({}, weighted)).toEqual({ ok: false, error: 'other_strategy' })
    const more = tableOf({
      strategy: 'RoundRobin',
      fallbackStrategy: 'RoundRobin',
      tiers: [[[1], [2]]],
    })
    expect(replayed({}, more)).toEqual({ ok: false, error: 'other_targets' })
  })

  it.each([
    ['of a form to come', { v: 2 }, 'unknown_version'],
    ['of a strategy to come', { strategy: 'Oracle' }, 'unknown_strategy'],
    ['that is none', { down: 'all' }, 'unknown_version'],
    ['that holds no numbers', { kept: [{ tier: 0, cursor: -1 }] }, 'unknown_version'],
    ['of turns of another tier', { kept: [{ tier: 0, turns: [[1, 2]] }] }, 'unknown_version'],
    ['of a tier that is none', { kept: [{ tier: 7, cursor: 1 }] }, 'unknown_version'],
  ])('says so of a recording %s', (_, more, error) => {
    expect(replayed(more)).toEqual({ ok: false, error })
  })

  it('says so where nothing was recorded', () => {
    expect(replay(table, route, null)).toEqual({
      ok: false,
      error: 'not_recorded',
    })
  })
})
