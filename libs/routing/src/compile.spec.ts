import fc from 'fast-check'
import { DEFAULT_POLICY } from '@signalbox/model'
import { compile, match } from './compile.ts'
import { type CompiledRoute, type Table } from './table.ts'
import { snapshotOf, withSpec } from './table-harness.ts'

const NOTHING: ReadonlyMap<string, readonly string[]> = new Map()
const toBackends = (...ids: string[]) => ({ targets: ids.map((backend) => ({ backend })) })

/** `backend=model*weight` of each target, a list a tier. */
function shape(route: CompiledRoute | undefined): string[][] | undefined {
  return route?.tiers.map((tier) =>
    tier.targets.map(({ backend, model, weight }) => `${backend.id}=${model}*${weight}`),
  )
}

function tableOf(given: Parameters<typeof snapshotOf>[0], discovered = NOTHING): Table {
  const { table, problems } = compile(snapshotOf(given), discovered)
  expect(problems).toEqual([])
  return table
}

describe('a configured route', () => {
  it('is found by its id and its aliases, and by nothing else', () => {
    const routes = { m: { tiers: [toBackends('b1')], aliases: ['a1', 'a2'] } }
    const table = tableOf({ backends: { b1: {} }, routes })
    expect(match(table, 'm')?.id).toBe('m')
    expect(match(table, 'a1')).toBe(match(table, 'm'))
    expect(match(table, 'a2')).toBe(match(table, 'm'))
    expect(match(table, 'b1')).toBeUndefined()
    expect(match(table, '__proto__')).toBeUndefined()
  })

  it('asks its backends for its own name, or for the name that the target says', () => {
    const targets = [{ backend: 'b1' }, { backend: 'b2', model: 'other' }]
    const table = tableOf({ backends: { b1: {}, b2: {} }, routes: { m: { tiers: [{ targets }] } } })
    expect(shape(match(table, 'm'))).toEqual([['b1=m*1', 'b2=other*1']])
  })

  it('weighs a target by its own weight times its backend’s', () => {
    const targets = [{ backend: 'b1', weight: 3 }, { backend: 'b2' }]
    const backends = { b1: { weight: 2 }, b2: { weight: 0 } }
    const table = tableOf({ backends, routes: { m: { tiers: [{ targets }] } } })
    expect(shape(match(table, 'm'))).toEqual([['b1=m*6', 'b2=m*0']])
  })

  it('keeps its tiers apart and in order', () => {
    const tiers = [toBackends('b2'), toBackends('b1', 'b2')]
    const table = tableOf({ backends: { b1: {}, b2: {} }, routes: { m: { tiers } } })
    expect(shape(match(table, 'm'))).toEqual([['b2=m*1'], ['b1=m*1', 'b2=m*1']])
  })

  it('takes all backends that have all the labels of a target', () => {
    const backends = {
      b1: { labels: { zone: 'a', gpu: 'h100' } },
      b2: { labels: { zone: 'a' } },
      b3: { labels: { gpu: 'h100', zone: 'a', more: 'x' } },
      b4: { labels: { zone: 'b', gpu: 'h100' } },
    }
    const tier = (labels: object) => ({ targets: [{ labels }] })
    const tiers = [tier({ zone: 'a', gpu: 'h100' }), tier({ zone: 'c' }), tier({})]
    const table = tableOf({ backends, routes: { m: { tiers } } })
    expect(shape(match(table, 'm'))).toEqual([
      ['b1=m*0.5', 'b3=m*0.5'],
      [],
      ['b1=m*0.25', 'b2=m*0.25', 'b3=m*0.25', 'b4=m*0.25'],
    ])
  })

  it('does without a backend that is disabled, which stays in the table', () => {
    const backends = { b1: { enabled: false, labels: { a: 'b' } }, b2: {} }
    const targets = [{ backend: 'b1' }, { backend: 'b2' }, { labels: { a: 'b' } }]
    const table = tableOf({ backends, routes: { m: { tiers: [{ targets }] } } })
    expect(shape(match(table, 'm'))).toEqual([['b2=m*1']])
    expect(table.backendById.get('b1')?.spec.enabled).toBe(false)
  })

  it('has the policy that it names', () => {
    const routes = {
      m: { tiers: [toBackends('b1')], policy: 'p' },
      n: { tiers: [toBackends('b1')] },
    }
    const policies = { p: { strategy: 'LeastLatency' } }
    const table = tableOf({ backends: { b1: {} }, routes, policies })
    expect(match(table, 'm')).toMatchObject({ policyId: 'p', policy: { strategy: 'LeastLatency' } })
    expect(match(table, 'n')).toMatchObject({ policyId: 'default', policy: DEFAULT_POLICY })
  })
})

describe('an implicit route', () => {
  it('is made of all enabled backends that serve a model which no route names', () => {
    const backends = {
      b1: { models: ['m', 'own', 'taken', 'alias'] },
      b2: { models: ['m', 'm'], weight: 4 },
      b3: { models: ['m', 'lost'], enabled: false },
    }
    const routes = { taken: { tiers: [toBackends('b2')], aliases: ['alias'] } }
    const table = tableOf({ backends, routes })
    expect(match(table, 'm')).toMatchObject({ id: 'm', implicit: true, policyId: 'default' })
    expect(shape(match(table, 'm'))).toEqual([['b1=m*1', 'b2=m*4']])
    expect(shape(match(table, 'own'))).toEqual([['b1=own*1']])
    expect(match(table, 'taken')?.implicit).toBe(false)
    expect(match(table, 'alias')?.id).toBe('taken')
    expect(match(table, 'lost')).toBeUndefined()
  })

  it('follows what was discovered, for backends that discover', () => {
    const backends = { b1: { models: 'discover' }, b2: { models: ['fixed'] } }
    const discovered = new Map([
      ['b1', ['found']],
      ['b2', ['ignored']],
      ['b9', ['unknown']],
    ])
    const table = tableOf({ backends }, discovered)
    expect([...table.routes.keys()]).toEqual(['found', 'fixed'])
    expect([...tableOf({ backends }).routes.keys()]).toEqual(['fixed'])
  })

  it('has the policy default as it is written', () => {
    const policies = { default: { retry: { maxRetries: 0 } } }
    const table = tableOf({ backends: { b1: { models: ['m'] } }, policies })
    expect(match(table, 'm')?.policy.retry.maxRetries).toBe(0)
  })
})

describe('the list of models', () => {
  it('has every name that can be asked for, sorted, with its owner and time', () => {
    const backends = { b1: { models: ['z', 'shared'] }, b2: { models: ['shared'] } }
    const routes = {
      m: { tiers: [toBackends('b1'), toBackends('b1')], aliases: ['a'] },
      both: { tiers: [toBackends('b1'), toBackends('b2')] },
    }
    const createdS = Date.UTC(2026, 0, 1) / 1000
    expect(tableOf({ backends, routes }).models).toEqual([
      { id: 'a', ownedBy: 'b1', createdS },
      { id: 'both', ownedBy: 'signalbox', createdS },
      { id: 'm', ownedBy: 'b1', createdS },
      { id: 'shared', ownedBy: 'signalbox', createdS },
      { id: 'z', ownedBy: 'b1', createdS },
    ])
  })
})

describe('the backends of a table', () => {
  it('are dense: each stands at its index', () => {
    const { backends, backendById } = tableOf({ backends: { b1: {}, b2: {}, b3: {} } })
    expect(backends.map(({ index }) => index)).toEqual([0, 1, 2])
    expect(backends.every((backend) => backendById.get(backend.id) === backend)).toBe(true)
  })

  it('are dense, and targets point into them, also when some do not compile', () => {
    const ids = ['b0', 'b1', 'b2', 'b3', 'b4', 'b5']
    const good = snapshotOf({
      backends: Object.fromEntries(ids.map((id) => [id, { models: ['m'] }])),
      routes: { r: { tiers: [toBackends(...ids)] } },
    })
    const broken = fc.subarray(ids)
    fc.assert(
      fc.property(broken, broken, (first, second) => {
        const breakAll = (all: readonly string[]) =>
          all.reduce(
            (s, id) => withSpec(s, { resource: 'backend', id, change: { kind: 'new' } }),
            good,
          )
        const before = compile(breakAll(first), NOTHING).table
        const { table, problems } = compile(breakAll(second), NOTHING, before)
        expect(problems.map(({ id }) => id)).toEqual(second)
        const lost = second.filter((id) => first.includes(id))
        const left = ids.filter((id) => !lost.includes(id))
        expect(table.backends.map(({ id }) => id)).toEqual(left)
        for (const backend of table.backends) expect(table.backends[backend.index]).toBe(backend)
        for (const route of table.routes.values()) {
          const targets = route.tiers.flatMap((tier) => tier.targets)
          expect(targets.map(({ backend }) => backend)).toEqual(table.backends)
        }
      }),
    )
  })
})
