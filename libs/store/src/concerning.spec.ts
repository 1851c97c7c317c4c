import { type Draft, ok, parseSpec, type ResourceName, type Spec } from '@signalbox/model'
import { type Concern } from './concerning.ts'
import { type Store } from './store.ts'
import { change, createHarness } from './test-harness.ts'

const harness = createHarness()

const GIVEN: readonly [ResourceName, string, object][] = [
  ['secret', 's1', { sealed: 'AA', fingerprint: 'f' }],
  ['secret', 's2', { sealed: 'AA', fingerprint: 'f' }],
  ['backend', 'named', backend(['other'], { credential: { secret: 's1' } })],
  ['backend', 'serving', backend(['m1'])],
  ['backend', 'labelled', backend(['other'], { labels: { zone: 'z1', gpu: 'a' } })],
  ['backend', 'found', backend('discover')],
  ['backend', 'spare', backend(['other'])],
  ['backend', 'apart', backend(['m9'], { credential: { secret: 's2' }, labels: { zone: 'z2' } })],
  ['route', 'r1', route({ backend: 'named' }, { aliases: ['alias'], fallbacks: ['r2'] })],
  ['route', 'r2', route({ labels: { zone: 'z1' } }, { fallbacks: ['r3'] })],
  ['route', 'r3', route({ backend: 'spare' })],
  ['route', 'r9', route({ backend: 'apart' })],
  ['policy', 'p1', {}],
  ['key', 'k1', { hash: 'a'.repeat(64) }],
  ['key', 'k2', { hash: 'b'.repeat(64) }],
]

function backend(models: unknown, more = {}) {
  return { kind: 'vllm', url: 'http://127.0.0.1:8000', models, ...more }
}

function route(target: object, more = {}) {
  return { tiers: [{ targets: [target] }], ...more }
}

function drafted(resource: ResourceName, id: string, given: object): Draft {
  const spec = parseSpec(resource, given)
  if (!spec.ok) throw new Error(JSON.stringify(spec.error))
  return { type: `${resource}.created`, resource, id, version: 1, spec: spec.value as Spec }
}

async function filled(): Promise<Store> {
  const store = await harness.open()
  const drafts = GIVEN.map(([resource, id, given]) => drafted(resource, id, given))
  await store.write({ ...change(() => []), decide: () => ok(drafts) })
  return store
}

async function concerning(store: Store, concern: Partial<Concern>, asOf?: number) {
  const found = await store.concerning({ models: [], discovered: [], ...concern }, asOf)
  if (!found) return null
  const ids = (all: ReadonlyMap<string, unknown>) => [...all.keys()].sort().join(' ')
  const { routes, backends, secrets, policies, keys } = found
  return [ids(routes), ids(backends), ids(secrets), ids(policies), ids(keys)]
}

describe('what requests for a model depend on', () => {
  it('is its routes, what they fall back to, who could serve it, and their secrets', async () => {
    const store = await filled()
    const all = ['r1 r2 r3', 'labelled named spare', 's1', 'p1', '']
    expect(await concerning(store, { models: ['r1'] })).toEqual(all)
    expect(await concerning(store, { models: ['alias'] })).toEqual(all)
    expect(await concerning(store, { models: ['m1'] })).toEqual(['', 'serving', '', 'p1', ''])
    const discovered = { models: ['m7'], discovered: ['found'] }
    expect(await concerning(store, discovered)).toEqual(['', 'found', '', 'p1', ''])
    expect(await concerning(store, { models: ['nobody'] })).toEqual(['', '', '', 'p1', ''])
  })

  it('and what a change names, and what that refers to', async () => {
    const store = await filled()
    const named = [
      { resource: 'key', id: 'k2' },
      { resource: 'key', id: 'none' },
    ] as const
    expect(await concerning(store, { named })).toEqual(['', '', '', 'p1', 'k2'])
    const specs = [
      drafted('route', 'new', route({ backend: 'apart' }, { fallbacks: ['r3'] })).spec as Spec,
    ]
    expect(await concerning(store, { specs })).toEqual(['r3', 'apart spare', 's2', 'p1', ''])
  })

  it('at a revision is what it was then, to the last field', async () => {
    const store = await filled()
    const concern = { models: ['r1', 'm1'], named: [{ resource: 'key', id: 'k1' }] as const }
    const before = await store.concerning({ ...concern, discovered: ['found'] })
    expect(before?.head.revision).toBe(1)
    harness.clock.advance(1_000)
    const gone = ['r1', 'r2'].map((id) => {
      return { type: 'route.deleted', resource: 'route', id, version: 2, spec: null } as const
    })
    await store.write({ ...change(() => []), decide: () => ok(gone) })
    const then = await store.concerning({ ...concern, discovered: ['found'] }, 1)
    expect(then).toEqual(before)
    expect(await concerning(store, { models: ['r1'] })).toEqual(['', '', '', 'p1', ''])
    expect(await concerning(store, { models: ['r1'] }, 0)).toEqual(['', '', '', '', ''])
    expect(await concerning(store, { models: ['r1'] }, 3)).toBeNull()
  })
})
