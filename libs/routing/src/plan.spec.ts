import { compile } from './compile.ts'
import { type PlannedRequest, reroute } from './plan.ts'
import { type Given, snapshotOf } from './table-harness.ts'

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
