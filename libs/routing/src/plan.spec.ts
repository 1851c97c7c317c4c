import { seededRandom } from '@signalbox/testing'
import { compile } from './compile.ts'
import { type PlannedRequest, reroute } from './plan.ts'
import { record } from './record.ts'
import { type Given, liveOf, snapshotOf } from './table-harness.ts'

const hash = 'a'.repeat(64)
const given: Given = {
  backends: { a: {}, b: {}, spare: {}, alone: { models: ['free'] } },
  routes: {
    m: {
      aliases: ['alias'],
      tiers: [
        { targets: [{ backend: 'a' }, { backend: 'b' }] },
        { targets: [{ backend: 'spare' }] },
      ],
    },
  },
  keys: { k: { name: 'k', hash, routes: ['m'] } },
}
const request = (more: Partial<PlannedRequest> = {}): PlannedRequest => ({
  ...{ requestId: 'r', model: 'm', key: null, backend: 'a', ...more },
})
const tableOf = (specs: Given) => compile(snapshotOf(specs), new Map()).table

function planned(change: Given, requests = [request()]) {
  const groups = reroute(requests, {
    before: tableOf(given),
    after: tableOf({ ...given, ...change }),
  })
  return groups.map(({ route, reason, certain, requests: count }) =>
    [route, reason, certain, count].join(' '),
  )
}
const target = (backend: string, more: object = {}) => ({ backend, ...more })
const tiersOf = (...targets: object[][]) => targets.map((all) => ({ targets: all }))
const routed = (tiers: object, more: object = {}) => ({ routes: { m: { tiers, ...more } } })
const two = [target('a'), target('b')]
const fallenBack = { tiers: tiersOf([target('a')]), fallbacks: ['n'] }

describe('a plan', () => {
  it('says nothing where nothing changes for a request', () => {
    const other = { backends: { ...given.backends, more: {} } }
    expect(planned(other)).toEqual([])
    expect(planned({}, [request({ model: null }), request({ model: 'nobody' })])).toEqual([])
  })

  it.each<[string, Given, string]>([
    ['has no such model', { routes: {} }, 'm model_unknown true 1'],
    ['takes its backend away', routed(tiersOf([target('b')])), 'm backend_gone true 1'],
    [
      'drains it',
      routed(tiersOf([target('a', { weight: 0 }), target('b')])),
      'm backend_gone true 1',
    ],
    ['moves it down', routed(tiersOf([target('b')], [target('a')])), 'm another_tier true 1'],
    [
      'asks it for another',
      routed(tiersOf([target('a', { model: 'x' }), target('b')])),
      'm another_model true 1',
    ],
    ['gives it less', routed(tiersOf([...two, target('spare')])), 'm share_changed false 1'],
    [
      'chooses otherwise',
      { ...routed(tiersOf(two), { policy: 'p' }), policies: { p: { strategy: 'LeastLatency' } } },
      'm another_strategy false 1',
    ],
    [
      'asks for keys',
      { settings: { default: { clientAuth: 'blocking' } } },
      'm key_missing true 1',
    ],
  ])('counts a request where the change %s', (_, change, expected) => {
    expect(planned(change)).toEqual([expected])
  })

  it.each<[string, object, string[]]>([
    ['keeps', {}, []],
    ['takes away', { fallbacks: [] }, ['m backend_gone true 1']],
    ['makes the route itself of', { tiers: tiersOf([target('f')]) }, ['m another_route true 1']],
    ['asks another one before', { fallbacks: ['o', 'n'] }, ['m earlier_fallback false 1']],
    ['asks it before another one than', { fallbacks: ['n', 'o'] }, []],
    ['asks the other one in place of', { fallbacks: ['o'] }, ['m backend_gone true 1']],
  ])('counts a request that fell back where the change %s the fallback', (_, change, expected) => {
    const more = { m: { tiers: tiersOf([target('a')]), fallbacks: ['n'], ...change } }
    const others = { n: { tiers: tiersOf([target('f')]) }, o: { tiers: tiersOf([target('g')]) } }
    const backends = { ...given.backends, f: {}, g: {} }
    const before = { ...given, backends, routes: { ...others, m: { ...more.m, ...fallenBack } } }
    const after = { ...before, routes: { ...others, ...more } }
    const groups = reroute([request({ backend: 'f' })], {
      before: tableOf(before),
      after: tableOf(after),
    })
    const said = groups.map((one) => `${one.route} ${one.reason} ${one.certain} ${one.requests}`)
    expect(said).toEqual(expected)
  })

  it('knows whose a key is, and counts a request only where that changes', () => {
    const policies = { p: { strategy: 'ConsistentHash' } }
    const before = { ...given, ...routed(tiersOf(two), { policy: 'p' }), policies }
    const three = tiersOf([...two, target('spare')])
    const after = { ...before, ...routed(three, { policy: 'p' }) }
    const tables = { before: tableOf(before), after: tableOf(after) }
    const [old, now] = [tables.before, tables.after].map((table) => table.routes.get('m'))
    const random = seededRandom(5)
    let moved = 0
    for (let n = 0; n < 100; n++) {
      const hash = Math.floor(random() * 2 ** 32)
      const pickOf = (route = old) => {
        const live = liveOf(tables.after)
        const context = { live, nowMs: 0, random, tried: [], hash }
        return route && record(route, context)
      }
      const [was, is] = [pickOf(old), pickOf(now)]
      const inputs = was?.inputs ?? null
      const backend = was?.target?.backend.id ?? null
      const [group] = reroute([request({ backend, attempts: [{ inputs }] })], tables)
      const other = is?.target?.backend.id !== backend
      expect(group?.reason).toBe(other ? 'key_moved' : undefined)
      if (other) moved++
    }
    expect(moved).toBeGreaterThan(15)
    expect(moved).toBeLessThan(60)
  })

  it('knows what is near, and that not every strategy goes by weight', () => {
    const zone = (name: string) => ({ labels: { zone: name } })
    const place = { zone: 'z1' }
    const inputs = { v: 1, strategy: 'Locality', tier: 0, of: 0, place } as const
    const here = { backends: { a: zone('z1'), b: zone('z1'), spare: zone('z2') } }
    const local = (more: object, all = [...two, target('spare')]) => ({
      ...here,
      ...more,
      ...routed(tiersOf(all), { policy: 'p' }),
      policies: { p: { strategy: 'Locality' } },
    })
    const plannedFrom = (before: Given, after: Given) =>
      reroute([request({ attempts: [{ inputs }] })], {
        before: tableOf(before),
        after: tableOf(after),
      }).map(({ reason }) => reason)
    const away = { backends: { ...here.backends, a: zone('z2') } }
    expect(plannedFrom(local({}), local(away))).toEqual(['another_distance'])
    const far = { backends: { ...here.backends, more: zone('z3') } }
    const all = [...two, target('spare'), target('more')]
    expect(plannedFrom(local(far), local(far, all))).toEqual([])
    const weighed = [target('a', { weight: 9 }), target('b')]
    expect(planned(routed(tiersOf(weighed, [target('spare')])))).toEqual([])
    const even = { ...given, ...routed(tiersOf(two), { policy: 'p' }) }
    const turns = { policies: { p: { strategy: 'WeightedRoundRobin' } } }
    const uneven = { ...even, ...routed(tiersOf(weighed), { policy: 'p' }), ...turns }
    expect(plannedFrom({ ...even, ...turns }, uneven)).toEqual(['share_changed'])
  })

  it('counts what a key may no longer do', () => {
    const used = [request({ key: 'k' })]
    expect(planned({ keys: {} }, used)).toEqual(['m key_gone true 1'])
    const other = { keys: { k: { name: 'k', hash, routes: ['free'] } } }
    expect(planned(other, used)).toEqual(['m key_not_allowed true 1'])
    expect(planned({}, used)).toEqual([])
    // It was gone before already: not the change's doing.
    expect(planned({ keys: {} }, [request({ key: 'older' })])).toEqual([])
  })

  it('counts what would be found, and says nothing of a backend that is gone already', () => {
    const backends = { ...given.backends, fresh: { models: ['new'] } }
    const asked = [request({ model: 'new', backend: null }), request({ backend: 'older' })]
    expect(planned({ backends }, asked)).toEqual(['new model_found true 1'])
  })

  it('groups by route and reason, most first, with a few examples', () => {
    const many = Array.from({ length: 5 }, (_, n) =>
      request({ requestId: `r${n}`, model: 'alias' }),
    )
    const change = { ...given, backends: { a: {}, b: {}, spare: {} }, routes: {} }
    const requests = [request({ requestId: 'f', model: 'free', backend: 'alone' }), ...many]
    const tables = { before: tableOf(given), after: tableOf(change) }
    expect(reroute(requests, tables)).toEqual([
      {
        route: 'm',
        reason: 'model_unknown',
        certain: true,
        requests: 5,
        examples: ['r0', 'r1', 'r2'],
      },
      { route: 'free', reason: 'model_unknown', certain: true, requests: 1, examples: ['f'] },
    ])
  })
})
