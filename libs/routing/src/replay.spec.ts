import fc from 'fast-check'
import { FALLBACK_STRATEGIES, type PickInputs, STRATEGIES, type Strategy } from '@signalbox/model'
import { seededRandom } from '@signalbox/testing'
import { type Breaker, openBreaker } from './breaker.ts'
import { compile } from './compile.ts'
import { pickFromRoute } from './pick.ts'
import { fingerprintOfRoute, isRecorded, LOOKED_AT_MAX, record } from './record.ts'
import { replay } from './replay.ts'
import { liveOf, snapshotOf } from './table-harness.ts'

const RECORDED = STRATEGIES.filter(isRecorded)
const FALLBACKS = FALLBACK_STRATEGIES

interface World {
  readonly strategy: Strategy
  readonly fallbackStrategy: (typeof FALLBACKS)[number]
  /** Weights of the targets, by tier. */
  readonly tiers: readonly (readonly number[])[]
  readonly seed: number
}

/** Two processes that know the same revision: each compiles it for itself. */
function tableOf({ strategy, fallbackStrategy, tiers }: Omit<World, 'seed'>) {
  const targets = tiers.map((weights, tier) => ({
    targets: weights.map((weight, n) => ({ backend: `b${tier}-${n}`, weight })),
  }))
  const ids = targets.flatMap((tier) => tier.targets.map(({ backend }) => backend))
  const limits = { connections: 2, pending: 1 }
  const { table } = compile(
    snapshotOf({
      backends: Object.fromEntries(ids.map((id) => [id, { limits }])),
      routes: { m: { tiers: targets, policy: 'p' } },
      policies: { p: { strategy, fallbackStrategy } },
    }),
    new Map(),
  )
  const route = table.routes.get('m')
  if (!route) throw new Error('the route does not compile')
  return { table, route }
}

/** Mostly closed; some open, some half open, some in slow start. */
function broken(random: () => number): Breaker {
  const open = random() < 0.2
  const cause = random() < 0.5 ? 'connect' : 'failures'
  const recoveredMs = random() < 0.1 ? random() * 1e5 : -Infinity
  const slowStartMs = 1e4
  return { ...openBreaker(), open, cause, untilMs: random() * 1e5, recoveredMs, slowStartMs }
}

/** Live facts by lot: some down, some full, some never measured. */
function shake(world: ReturnType<typeof tableOf>, random: () => number) {
  const ofMany = random()
  return liveOf(world.table).map((one) => ({
    ...one,
    eligible: random() < ofMany,
    inFlight: Math.floor(random() * 4),
    samples: random() < 0.5 ? 0 : 3,
    ewmaMs: random() * 100,
    ewmaAtMs: random() * 1e5,
    breaker: broken(random),
  }))
}

const weights = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 14 })
const worlds = fc.record({
  strategy: fc.constantFrom(...RECORDED),
  fallbackStrategy: fc.constantFrom(...FALLBACKS),
  tiers: fc.array(weights, { minLength: 1, maxLength: 3 }),
  seed: fc.integer(),
})

describe('a recorded pick', () => {
  it('is the pick of the hot path, and is made again exactly, whatever the table', () => {
    let none = 0
    let picked = 0
    let left = 0
    fc.assert(
      fc.property(worlds, (given) => {
        const random = seededRandom(given.seed)
        const [here, other] = [tableOf(given), tableOf(given)]
        const twin = tableOf(given)
        for (let request = 0; request < 12; request++) {
          const live = shake(here, random)
          const tried: number[] = []
          for (let attempt = 0; attempt < 3; attempt++) {
            const nowMs = random() * 1e5
            const seed = random() * 1e9
            const moment = () => ({ live, nowMs, tried, random: seededRandom(seed) })
            const { target, inputs } = record(here.route, moment())
            expect(pickFromRoute(twin.route, moment())?.backend.id).toBe(target?.backend.id)
            const sent = JSON.parse(JSON.stringify(inputs)) as PickInputs | null
            const ids = tried.map((index) => here.table.backends[index]?.id ?? '')
            if (inputs === null && (left += 1)) {
              if (target) tried.push(target.backend.index)
              continue
            }
            const again = replay(other.table, other.route, { inputs: sent, tried: ids })
            expect(again.ok && (again.value?.backend.id ?? null)).toBe(target?.backend.id ?? null)
            if (!target) none++
            else picked++
            if (target) tried.push(target.backend.index)
          }
        }
      }),
    )
    expect(Math.min(none, picked)).toBeGreaterThan(100)
    expect(left).toBeLessThan(none + picked)
  })

  it('of a large tier holds little, and is left out where it would hold much', () => {
    const random = seededRandom(3)
    for (const strategy of RECORDED) {
      const world = {
        strategy,
        fallbackStrategy: 'RoundRobin',
        tiers: [Array(500).fill(1)],
      } as const
      const [here, other] = [tableOf(world), tableOf(world)]
      const left = { out: 0 }
      for (let n = 0; n < 200; n++) {
        const shaken = shake(here, n % 2 === 0 ? random : () => 0.9)
        const live = shaken.map((one) => ({ ...one, breaker: openBreaker() }))
        const { target, inputs } = record(here.route, { live, nowMs: 0, random, tried: [] })
        expect(JSON.stringify(inputs).length).toBeLessThan(LOOKED_AT_MAX * 40)
        const again = replay(other.table, other.route, { inputs, tried: [] })
        if (inputs) expect(again).toMatchObject({ ok: true, value: { backend: target?.backend } })
        else expect([again.ok, ++left.out]).toEqual([false, left.out])
      }
      if (['WeightedRoundRobin', 'Random'].includes(strategy)) expect(left.out).toBe(200)
      else expect(left.out).toBeLessThan(200)
    }
  })

  it('holds nothing but where it stood, where all is well', () => {
    const { table, route } = tableOf({
      strategy: 'RoundRobin',
      fallbackStrategy: 'RoundRobin',
      tiers: [[1, 1, 1]],
    })
    const context = { live: liveOf(table), nowMs: 0, random: () => 0, tried: [] }
    const of = fingerprintOfRoute(route)
    const same = { v: 1, strategy: 'RoundRobin', tier: 0, of }
    expect(record(route, context).inputs).toEqual(same)
    expect(record(route, context).inputs).toEqual({ ...same, cursor: 1 })
  })
})

describe('a replay', () => {
  const world = { fallbackStrategy: 'RoundRobin', tiers: [[1, 1]] } as const
  const { table, route } = tableOf({ ...world, strategy: 'RoundRobin' })
  const context = { live: liveOf(table), nowMs: 0, random: () => 0, tried: [] }
  const { inputs } = record(route, context)
  const replayed = (more: object, where = { table, route }) =>
    replay(where.table, where.route, { inputs: inputs && { ...inputs, ...more }, tried: [] })

  it('says so where the route is another one here', () => {
    const weighted = tableOf({ ...world, strategy: 'WeightedRoundRobin' })
    expect(replayed({}, weighted)).toEqual({ ok: false, error: 'other_strategy' })
    const more = tableOf({
      strategy: 'RoundRobin',
      fallbackStrategy: 'RoundRobin',
      tiers: [[1, 2]],
    })
    expect(replayed({}, more)).toEqual({ ok: false, error: 'other_targets' })
  })

  it.each([
    ['of a form to come', { v: 2 }, 'unknown_version'],
    ['of a strategy to come', { strategy: 'Oracle' }, 'unknown_strategy'],
    ['that is none', { down: 'all' }, 'unknown_version'],
    ['that holds no numbers', { cursor: -1 }, 'unknown_version'],
  ])('says so of a recording %s', (_, more, error) => {
    expect(replayed(more)).toEqual({ ok: false, error })
  })

  it('says so where nothing was recorded', () => {
    expect(replay(table, route, { inputs: null, tried: [] })).toEqual({
      ok: false,
      error: 'not_recorded',
    })
  })
})
