import { seededRandom } from '@signalbox/testing'
import { compile } from './compile.ts'
import { explain } from './explain.ts'
import { type Given, liveOf, snapshotOf } from './table-harness.ts'

interface Facts {
  readonly down?: readonly string[]
  readonly full?: readonly string[]
  readonly tried?: readonly string[]
  readonly discovered?: ReadonlyMap<string, readonly string[]>
}

function explained(model: string, given: Given, facts: Facts = {}) {
  const { down = [], full = [], tried = [], discovered = new Map() } = facts
  const snapshot = snapshotOf(given)
  const { table } = compile(snapshot, discovered)
  const live = liveOf(table).map((one) => ({
    ...one,
    eligible: !down.includes(one.id),
    inFlight: full.includes(one.id) ? 1e6 : 0,
  }))
  const context = {
    live,
    nowMs: 0,
    random: seededRandom(1),
    tried: tried.map((id) => table.backendById.get(id)?.index ?? -1),
  }
  const explanation = explain(model, { snapshot, table, discovered, context })
  const reasons = explanation.candidates.map(
    ({ tier, backend, reason }) => `${tier} ${backend} ${reason}`,
  )
  return { ...explanation, reasons }
}

const target = (backend: string, weight = 1) => ({ backend, weight })
const given: Given = {
  backends: { a: {}, b: {}, c: {}, off: { enabled: false }, zero: { weight: 0 } },
  routes: {
    m: {
      aliases: ['gpt'],
      tiers: [
        { targets: [target('a', 3), target('b'), target('off'), target('zero')] },
        { targets: [target('c')] },
      ],
    },
  },
}

describe('an explanation', () => {
  it('names every target and what became of it', () => {
    const { outcome, picked, route, reasons, candidates } = explained('m', given)
    expect(outcome).toBe('picked')
    expect(picked).toMatchObject({ backend: 'a', tier: 0, share: 0.75 })
    expect(route).toEqual({ id: 'm', found: 'route', policy: 'default', strategy: 'RoundRobin' })
    expect(reasons).toEqual([
      '0 a picked',
      '0 b kept',
      '0 zero weight_zero',
      '1 c later_tier',
      '0 off disabled',
    ])
    expect(candidates.map(({ share }) => share)).toEqual([0.75, 0.25, 0, 1, 0])
  })

  it('says why targets cannot be used, and goes to the next tier', () => {
    const { picked, reasons } = explained('m', given, { down: ['a'], full: ['b'] })
    expect(picked?.backend).toBe('c')
    expect(reasons.slice(0, 2)).toEqual(['0 a down', '0 b full'])
  })

  it('says what was tried before', () => {
    expect(explained('m', given, { tried: ['a'] }).reasons.slice(0, 2)).toEqual([
      '0 a tried',
      '0 b picked',
    ])
  })

  it.each<[string, Facts, string]>([
    ['nothing is up', { down: ['a', 'b', 'c'] }, 'no_backend'],
    ['what is up is full', { down: ['a', 'c'], full: ['b'] }, 'backend_full'],
  ])('says so where %s', (_, facts, outcome) => {
    const explanation = explained('m', given, facts)
    expect([explanation.outcome, explanation.picked]).toEqual([outcome, null])
    expect(explanation.candidates).toHaveLength(5)
  })

  it('goes on with the fallbacks of the route, and says so', () => {
    const routes = {
      m: { tiers: [{ targets: [target('a')] }], fallbacks: ['n'] },
      n: { tiers: [{ targets: [target('b')] }], fallbacks: ['o'] },
      o: { tiers: [{ targets: [target('c')] }] },
    }
    const three = { backends: { a: {}, b: {}, c: {} }, routes }
    expect(explained('m', three)).toMatchObject({ fallback: null, reasons: ['0 a picked'] })
    const { fallback, picked, reasons } = explained('m', three, { down: ['a', 'b'] })
    expect([fallback, picked?.route, picked?.model]).toEqual(['o', 'o', 'o'])
    expect(reasons).toEqual(['0 a down', '0 b down', '0 c picked'])
    const none = explained('m', three, { down: ['a', 'b', 'c'] })
    expect([none.outcome, none.fallback]).toEqual(['no_backend', null])
  })

  it('says by which name the route was found, or that there is none', () => {
    expect(explained('gpt', given).route).toMatchObject({ id: 'm', found: 'alias' })
    expect(explained('nope', given)).toMatchObject({ outcome: 'model_not_found', candidates: [] })
  })

  it('of a model without a route looks at who serves it, disabled ones too', () => {
    const backends = {
      a: { models: ['x'] },
      b: { models: 'discover' },
      off: { models: ['x'], enabled: false },
    }
    const discovered = new Map([['b', ['x']]])
    const { route, reasons } = explained('x', { backends }, { discovered })
    expect(route).toMatchObject({ id: 'x', found: 'implicit' })
    expect(reasons).toEqual(['0 a picked', '0 b kept', '0 off disabled'])
  })

  it('finds disabled backends by the labels that a target asks for', () => {
    const backends = {
      a: { labels: { zone: 'x' } },
      off: { labels: { zone: 'x' }, enabled: false },
      far: { labels: { zone: 'y' }, enabled: false },
    }
    const routes = { m: { tiers: [{ targets: [{ labels: { zone: 'x' } }] }] } }
    expect(explained('m', { backends, routes }).reasons).toEqual(['0 a picked', '0 off disabled'])
  })
})
