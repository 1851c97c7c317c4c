import { STRATEGIES } from '@signalbox/model'
import { pick, pickFromRoute, whyNone } from './pick.ts'
import { picking, type Picking } from './table-harness.ts'

const random = () => 0
const policy = { strategy: 'RoundRobin' } as const
const idOf = ({ route, context }: Picking) => pickFromRoute(route, context())?.backend.id

describe('a target is usable', () => {
  it('unless its backend is not eligible', () => {
    const world = picking({ backends: { b1: {}, b2: {} }, policy, random })
    world.byId('b1').eligible = false
    expect([idOf(world), idOf(world)]).toEqual(['b2', 'b2'])
  })

  it('unless its weight is 0, in every strategy', () => {
    for (const strategy of STRATEGIES) {
      const backends = { b1: { weight: 0 }, b2: {} }
      const world = picking({ backends, policy: { strategy }, random })
      expect([idOf(world), idOf(world)]).toEqual(['b2', 'b2'])
      expect(whyNone(world.route, world.context({ tried: [1] }))).toBe('no_backend')
    }
  })

  it('up to its concurrency limit', () => {
    const world = picking({ backends: { b1: { limits: { concurrency: 2 } } }, policy, random })
    world.byId('b1').inFlight = 1
    expect(idOf(world)).toBe('b1')
    world.byId('b1').inFlight = 2
    expect(idOf(world)).toBeUndefined()
  })

  it('up to what its connections and their queue hold', () => {
    const limits = { connections: 3, pending: 2 }
    const world = picking({ backends: { b1: { limits } }, policy, random })
    world.byId('b1').inFlight = 4
    expect(idOf(world)).toBe('b1')
    world.byId('b1').inFlight = 5
    expect(idOf(world)).toBeUndefined()
  })

  it('not when this request has tried its backend', () => {
    const world = picking({ backends: { b1: {}, b2: {} }, policy, random })
    const target = pickFromRoute(world.route, world.context({ tried: [0] }))
    expect(target?.backend.id).toBe('b2')
  })

  it('not when nothing is known of its backend', () => {
    const world = picking({ backends: { b1: {} }, policy, random })
    expect(pickFromRoute(world.route, world.context({ live: [] }))).toBeUndefined()
  })
})

describe('tiers', () => {
  const tiers = [{ targets: [{ backend: 'b1' }] }, { targets: [{ backend: 'b2' }] }]
  const world = () => picking({ backends: { b1: {}, b2: {} }, policy, tiers, random })

  it('are taken in order: the second only where the first has nothing', () => {
    const two = world()
    expect([idOf(two), idOf(two)]).toEqual(['b1', 'b1'])
    two.byId('b1').eligible = false
    expect([idOf(two), idOf(two)]).toEqual(['b2', 'b2'])
    two.byId('b1').eligible = true
    expect(idOf(two)).toBe('b1')
  })

  it('are picked from one by one', () => {
    const { route, context } = world()
    const second = route.tiers[1]
    expect(second && pick(second, route.policy, context())?.backend.id).toBe('b2')
  })
})

describe('whyNone', () => {
  const world = () => {
    const limits = { concurrency: 1 }
    return picking({ backends: { b1: { limits }, b2: { limits } }, policy, random })
  }

  it('is no_backend where none is up, busy or not', () => {
    const none = world()
    for (const live of none.live) Object.assign(live, { eligible: false, inFlight: 1 })
    expect(whyNone(none.route, none.context())).toBe('no_backend')
  })

  it('is backend_full where one is up and has no room', () => {
    const full = world()
    full.byId('b1').eligible = false
    full.byId('b2').inFlight = 1
    expect(whyNone(full.route, full.context())).toBe('backend_full')
  })
})
