import { type ResourceName, type Snapshot } from '@signalbox/model'
import { compile, match } from './compile.ts'
import { snapshotOf, withSpec } from './table-harness.ts'

const NOTHING: ReadonlyMap<string, readonly string[]> = new Map()
const routeTo = (id: string, more: object = {}) => ({
  tiers: [{ targets: [{ backend: id, weight: 1 }] }],
  aliases: [],
  ...more,
})

const good = snapshotOf({
  backends: { b1: { models: ['served'] }, b2: {} },
  routes: {
    m: routeTo('b1', { aliases: ['a1'], policy: 'p' }),
    n: routeTo('b2'),
  },
  policies: { p: { strategy: 'LeastLatency' } },
})
const before = compile(good, NOTHING).table

const change = (resource: ResourceName, id: string, spec: object): Snapshot =>
  withSpec(good, { resource, id, change: spec })

describe('a backend that does not compile', () => {
  const newer = change('backend', 'b1', { kind: 'quantum', url: 'http://new.test' })

  it('keeps its last good version and is named', () => {
    const { table, problems } = compile(newer, NOTHING, before)
    const message = 'unknown kind "quantum"'
    expect(problems).toEqual([{ resource: 'backend', id: 'b1', code: 'does_not_compile', message }])
    expect(table.backendById.get('b1')).toEqual(before.backendById.get('b1'))
    expect(match(table, 'm')?.tiers[0]?.targets[0]?.backend.spec.url).toBe('http://b1.test')
    expect(match(table, 'served')).toBeDefined()
  })

  it('is left out where there is no last version, and its routes do without it', () => {
    const { table, problems } = compile(newer, NOTHING)
    expect(problems).toHaveLength(1)
    expect(table.backendById.has('b1')).toBe(false)
    expect(match(table, 'm')?.tiers[0]?.targets).toEqual([])
    expect(match(table, 'served')).toBeUndefined()
    expect(match(table, 'n')?.tiers[0]?.targets).toHaveLength(1)
  })

  it('keeps its last good version over any number of compilations, until it is repaired', () => {
    const again = compile(newer, NOTHING, compile(newer, NOTHING, before).table)
    expect(again.table.backendById.get('b1')?.spec.kind).toBe('vllm')
    expect(again.problems).toHaveLength(1)
    const repaired = compile(change('backend', 'b1', { weight: 9 }), NOTHING, again.table)
    expect(repaired.problems).toEqual([])
    expect(repaired.table.backendById.get('b1')).toMatchObject({ revision: 2, spec: { weight: 9 } })
  })

  it('is gone once it is deleted', () => {
    const { table } = compile(newer, NOTHING, before)
    const deleted = compile(snapshotOf({}), NOTHING, table)
    expect(deleted.problems).toEqual([])
    expect(deleted.table.backends).toEqual([])
  })

  it.each([
    ['url', 'not a URL'],
    ['url', 'file:///etc/passwd'],
    ['models', 'all'],
    ['weight', NaN],
    ['enabled', 'yes'],
    ['limits', undefined],
    ['limits', { connections: 'many', pending: 1 }],
    ['labels', undefined],
    ['timeouts', null],
    ['health', 5],
    ['tls', undefined],
  ])('is one whose %s is %j', (field, value) => {
    const { problems } = compile(change('backend', 'b1', { [field]: value }), NOTHING, before)
    expect(problems).toMatchObject([{ resource: 'backend', id: 'b1', code: 'does_not_compile' }])
    expect(problems[0]?.message).toContain(field)
  })

  it('is not one that a newer version gave a field which this one does not know', () => {
    const { problems } = compile(change('backend', 'b1', { colour: 'red' }), NOTHING)
    expect(problems).toEqual([])
  })
})

describe('a route that does not compile', () => {
  const dangling = change('route', 'm', routeTo('b9', { aliases: ['a2'] }))

  it('keeps its last good version under its last names and is named', () => {
    const { table, problems } = compile(dangling, NOTHING, before)
    const message = 'route m refers to backend b9, which does not exist'
    expect(problems).toEqual([{ resource: 'route', id: 'm', code: 'dangling_reference', message }])
    expect(match(table, 'm')).toEqual(match(before, 'm'))
    expect(match(table, 'a1')).toBe(match(table, 'm'))
    expect(match(table, 'a2')).toBeUndefined()
  })

  it('keeps it over the backends as they are now', () => {
    const heavier = withSpec(dangling, {
      resource: 'backend',
      id: 'b1',
      change: { url: 'http://moved.test' },
    })
    const { table } = compile(heavier, NOTHING, before)
    const target = match(table, 'm')?.tiers[0]?.targets[0]
    expect(target?.backend).toBe(table.backendById.get('b1'))
    expect(target?.backend.spec.url).toBe('http://moved.test')
    const off = withSpec(dangling, { resource: 'backend', id: 'b1', change: { enabled: false } })
    expect(match(compile(off, NOTHING, before).table, 'm')?.tiers[0]?.targets).toEqual([])
  })

  it('gives up a last name that another route has got since', () => {
    const other = snapshotOf({ backends: { b2: {} }, routes: { a1: routeTo('b2') } })
    const routes = new Map([...dangling.routes, ...other.routes])
    const { table } = compile({ ...dangling, routes }, NOTHING, before)
    expect(match(table, 'a1')?.id).toBe('a1')
    expect(match(table, 'm')?.tiers[0]?.targets[0]?.backend.id).toBe('b1')
  })

  it('gives it up also to one that does not compile itself', () => {
    const other = snapshotOf({ backends: { b2: {} }, routes: { a1: routeTo('b2') } })
    const routes = new Map([...dangling.routes, ...other.routes])
    const both = withSpec(
      { ...dangling, routes },
      {
        resource: 'route',
        id: 'a1',
        change: routeTo('b9'),
      },
    )
    const { table, problems } = compile(both, NOTHING, before)
    expect(problems.map(({ id }) => id)).toEqual(['m', 'a1'])
    expect(match(table, 'a1')).toBeUndefined()
    expect(match(table, 'm')).toBeDefined()
  })

  it('leaves the implicit route of its name in place, if there was one', () => {
    const backends = { b1: { models: ['m'] } }
    const implicit = compile(snapshotOf({ backends }), NOTHING).table
    const routed = snapshotOf({ backends, routes: { m: routeTo('b1') } })
    const broken = withSpec(routed, { resource: 'route', id: 'm', change: routeTo('b9') })
    const { table, problems } = compile(broken, NOTHING, implicit)
    expect(problems).toHaveLength(1)
    expect(match(table, 'm')).toEqual(match(implicit, 'm'))
  })

  it('is left out where there is no last version, and no implicit route takes its name', () => {
    const served = withSpec(dangling, {
      resource: 'backend',
      id: 'b1',
      change: { models: ['m', 'a2'] },
    })
    const { table } = compile(served, NOTHING)
    expect([...table.routes.keys()]).toEqual(['n'])
  })

  it.each([
    ['tiers', undefined],
    ['tiers', [{ targets: 5 }]],
    ['tiers', [{ targets: [{}] }]],
    ['aliases', undefined],
  ])('is one whose %s is %j', (field, value) => {
    const { problems } = compile(change('route', 'm', { [field]: value }), NOTHING, before)
    expect(problems).toMatchObject([{ resource: 'route', id: 'm', code: 'does_not_compile' }])
  })

  it('is the one with an alias that is the id of another, which keeps it', () => {
    const { table, problems } = compile(change('route', 'm', { aliases: ['n'] }), NOTHING)
    expect(problems).toMatchObject([{ id: 'm', code: 'duplicate_alias' }])
    expect(match(table, 'n')?.id).toBe('n')
  })

  it('is the one with the greater id where two claim an alias, in whatever order they come', () => {
    const both = withSpec(change('route', 'm', { aliases: ['x'] }), {
      resource: 'route',
      id: 'n',
      change: { aliases: ['x'] },
    })
    const reversed = { ...both, routes: new Map([...both.routes].reverse()) }
    for (const snapshot of [both, reversed]) {
      const { table, problems } = compile(snapshot, NOTHING, before)
      expect(problems).toMatchObject([{ id: 'n', code: 'duplicate_alias' }])
      expect(match(table, 'x')?.id).toBe('m')
      expect(match(table, 'n')?.id).toBe('n')
    }
  })
})

describe('a policy that does not compile', () => {
  const newer = change('policy', 'p', { strategy: 'Psychic' })

  it('keeps its last good version and is named', () => {
    const { table, problems } = compile(newer, NOTHING, before)
    const message = 'unknown strategy "Psychic"'
    expect(problems).toEqual([{ resource: 'policy', id: 'p', code: 'does_not_compile', message }])
    expect(match(table, 'm')?.policy.strategy).toBe('LeastLatency')
  })

  it('takes its routes with it where there is no last version', () => {
    const { table, problems } = compile(newer, NOTHING)
    expect(problems.map(({ resource, id }) => `${resource} ${id}`)).toEqual(['policy p', 'route m'])
    expect(match(table, 'm')).toBeUndefined()
    expect(match(table, 'n')).toBeDefined()
  })

  it.each([
    ['fallbackStrategy', 'LeastPsychic'],
    ['timeouts', undefined],
    ['retry', undefined],
  ])('is one whose %s is %j', (field, value) => {
    const { problems } = compile(change('policy', 'p', { [field]: value }), NOTHING, before)
    expect(problems[0]?.message).toContain(field)
  })

  it('is missed where a route names one that does not exist', () => {
    const { problems } = compile(change('route', 'm', { policy: 'q' }), NOTHING, before)
    expect(problems).toMatchObject([{ id: 'm', code: 'dangling_reference' }])
  })
})
