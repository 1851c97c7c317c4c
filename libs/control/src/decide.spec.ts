import { type Refusal, type Snapshot } from '@signalbox/model'
import { type Command } from './command.ts'
import { decide, ERRORS_MAX } from './decide.ts'
import { NAMED_MAX } from './referring.ts'
import { snapshotOf } from './snapshot-harness.ts'

const URL1 = 'http://127.0.0.1:8000'
const backend = (more: object = {}) => ({ kind: 'vllm', url: URL1, ...more })
const routeTo = (id: string, more: object = {}) => ({
  tiers: [{ targets: [{ backend: id }] }],
  ...more,
})
const none = { ifMatch: null }

/** A backend, a policy and a route that refers to both. */
const given = snapshotOf({
  backends: { b1: backend() },
  policies: { fast: {} },
  routes: { 'gpt-4o': routeTo('b1', { policy: 'fast', aliases: ['gpt'] }) },
})

function refusalOf(command: Command, snapshot: Snapshot = given): Refusal {
  const decided = decide(command, snapshot)
  if (decided.ok) throw new Error(`expected a refusal, got ${JSON.stringify(decided.value)}`)
  return decided.error
}

const paths = (refusal: Refusal) => refusal.errors?.map((error) => error.path)

describe('a delete that cascades', () => {
  const drafted = (command: Command, snapshot = given) => {
    const decided = decide(command, snapshot)
    return decided.ok ? decided.value.map(({ type, id }) => `${type} ${id}`) : decided.error.code
  }

  it.each<[Command['resource'], string]>([
    ['backend', 'b1'],
    ['policy', 'fast'],
  ])('takes the routes that refer to the %s along', (resource, id) => {
    const command = { op: 'delete', resource, id, ...none } as const
    expect(drafted(command)).toBe('still_referenced')
    expect([...drafted({ ...command, cascade: true })].sort()).toEqual(
      [`${resource}.deleted ${id}`, 'route.deleted gpt-4o'].sort(),
    )
  })

  it('takes nothing that does not refer to it', () => {
    const more = snapshotOf({
      backends: { b1: backend(), b2: backend() },
      routes: { r1: routeTo('b1'), r2: routeTo('b2') },
    })
    const command = { op: 'delete', resource: 'backend', id: 'b1', ...none, cascade: true } as const
    expect(drafted(command, more)).toEqual(['backend.deleted b1', 'route.deleted r1'])
    expect(drafted({ ...command, resource: 'route', id: 'r2' }, more)).toEqual(['route.deleted r2'])
  })
})

describe('the fallbacks of a route', () => {
  const chain = snapshotOf({
    backends: { b1: backend() },
    routes: {
      a: routeTo('b1', { fallbacks: ['b'] }),
      b: routeTo('b1', { fallbacks: ['c'] }),
      c: routeTo('b1'),
    },
  })
  const put = (id: string, fallbacks: readonly string[]): Command => {
    const spec = { tiers: [{ targets: [{ backend: 'b1' }] }], fallbacks }
    return { op: 'put', resource: 'route', id, spec, ...none } as const
  }

  it('may not lead back to it: the circle is named', () => {
    const refusal = refusalOf(put('c', ['a']), chain)
    expect(refusal.code).toBe('fallback_cycle')
    expect(refusal.message).toContain('c -> a -> b -> c')
    expect(refusalOf(put('c', ['c']), chain).code).toBe('fallback_cycle')
  })

  it('must be there', () => {
    const refusal = refusalOf(put('c', ['nope']), chain)
    expect([refusal.code, paths(refusal)]).toEqual(['dangling_reference', ['spec.fallbacks.0']])
  })

  it('may meet again', () => {
    expect(decide(put('a', ['b', 'c']), chain).ok).toBe(true)
  })

  it('hold a route fast: it goes with those that fall back to it, or not at all', () => {
    const command = { op: 'delete', resource: 'route', id: 'c', ...none } as const
    expect(refusalOf(command, chain).code).toBe('still_referenced')
    const decided = decide({ ...command, cascade: true }, chain)
    expect(decided.ok && decided.value.map(({ id }) => id).sort()).toEqual(['a', 'b', 'c'])
  })
})

describe('a set that is written', () => {
  const put = (members: readonly string[]): Command => {
    return { op: 'put', resource: 'set', id: 's', spec: { members }, ...none } as const
  }

  it('names what there is', () => {
    expect(decide(put(['backend/b1', 'policy/fast', 'route/gpt-4o']), given).ok).toBe(true)
    const refusal = refusalOf(put(['backend/b1', 'backend/b2', 'route/x/y']))
    expect(refusal).toMatchObject({
      code: 'dangling_reference',
      message: 'set s names backend/b2, route/x/y, which do not exist',
    })
    expect(paths(refusal)).toEqual(['spec.members.1', 'spec.members.2'])
  })
})

describe('the prompts of a policy', () => {
  const prompts = { backends: { b1: { text: 'Be brief.' } } }
  const prompted = snapshotOf({
    backends: { b1: backend(), b2: backend() },
    policies: { fast: { prompts }, other: {} },
    routes: { r: routeTo('b2', { policy: 'fast' }) },
  })

  it('are for backends that there are', () => {
    const spec = { prompts: { backends: { b1: { text: 'x' }, nope: { text: 'y' } } } }
    const refusal = refusalOf({ op: 'put', resource: 'policy', id: 'fast', spec, ...none })
    expect(refusal.code).toBe('dangling_reference')
    expect(refusal.message).toBe('policy fast refers to backend nope, which does not exist')
    expect(paths(refusal)).toEqual(['spec.prompts.backends.nope'])
    const fine = { op: 'put', resource: 'policy', id: 'new', spec: { prompts }, ...none } as const
    expect(decide(fine, given).ok).toBe(true)
  })

  it('hold a backend fast, but a cascade takes the prompt and leaves the policy', () => {
    const command = { op: 'delete', resource: 'backend', id: 'b1', ...none } as const
    const refusal = refusalOf(command, prompted)
    expect([refusal.code, refusal.message]).toEqual([
      'still_referenced',
      'policy fast still refers to backend b1',
    ])
    const decided = decide({ ...command, cascade: true }, prompted)
    const drafts = decided.ok ? decided.value : []
    expect(drafts.map(({ type, id }) => `${type} ${id}`)).toEqual([
      'backend.deleted b1',
      'policy.updated fast',
    ])
    const left = { ...prompted.policies.get('fast')?.spec, prompts: { models: {}, backends: {} } }
    expect(drafts[1]?.spec).toEqual(left)
  })

  it('were not there in a policy of an earlier version, which holds nothing', () => {
    const { prompts: _, ...earlier } = prompted.policies.get('other')?.spec ?? {}
    const stored = prompted.policies.get('other')
    const old = { ...stored, spec: earlier } as NonNullable<typeof stored>
    const snapshot = { ...given, policies: new Map([...given.policies, ['other', old]]) }
    const command = { op: 'delete', resource: 'backend', id: 'b1', ...none, cascade: true } as const
    expect(decide(command, snapshot).ok).toBe(true)
  })
})

describe('create', () => {
  it('drafts the whole spec with its defaults, as version 1', () => {
    const decided = decide({ op: 'create', resource: 'policy', id: 'p', spec: {} }, given)
    expect(decided).toEqual({
      ok: true,
      value: [
        {
          type: 'policy.created',
          resource: 'policy',
          id: 'p',
          version: 1,
          spec: given.policies.get('fast')?.spec,
        },
      ],
    })
  })

  it('names what is wrong with the id and the spec at once', () => {
    const spec = { kind: 'nope', url: 'ftp://x', weight: -1 }
    const refusal = refusalOf({ op: 'create', resource: 'backend', id: 'bad id', spec })
    expect(paths(refusal)).toEqual(['id', 'spec.kind', 'spec.url', 'spec.weight'])
  })

  it('refuses an id that is taken', () => {
    const command = { op: 'create', resource: 'backend', id: 'b1', spec: backend() } as const
    expect(refusalOf(command)).toEqual({
      code: 'already_exists',
      message: 'backend b1 already exists',
    })
  })

  it.each([['not an id'], [5], [undefined], ['']])('refuses the id %j', (id) => {
    const refusal = refusalOf({ op: 'create', resource: 'backend', id, spec: backend() })
    expect(refusal.code).toBe('validation_failed')
    expect(paths(refusal)).toEqual(['id'])
  })

  it('names every field that is wrong', () => {
    const spec = { kind: 'vllm', url: 'nowhere', limits: { connections: 0 }, extra: 1 }
    const refusal = refusalOf({ op: 'create', resource: 'backend', id: 'b2', spec })
    expect(refusal.code).toBe('validation_failed')
    expect(paths(refusal)?.sort()).toEqual(['spec.extra', 'spec.limits.connections', 'spec.url'])
  })

  it('names no more fields than fit', () => {
    const spec = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`extra${n}`, n]))
    const refusal = refusalOf({ op: 'create', resource: 'policy', id: 'p', spec })
    expect(refusal.errors).toHaveLength(ERRORS_MAX)
  })
})

describe('put', () => {
  it('creates what does not exist', () => {
    const decided = decide({ op: 'put', resource: 'policy', id: 'p', spec: {}, ...none }, given)
    expect(decided).toMatchObject({ ok: true, value: [{ type: 'policy.created', version: 1 }] })
  })

  it('replaces the whole spec and counts the version', () => {
    const spec = { retry: { maxRetries: 0 } }
    const decided = decide({ op: 'put', resource: 'policy', id: 'fast', spec, ...none }, given)
    expect(decided).toMatchObject({
      ok: true,
      value: [{ type: 'policy.updated', version: 4, spec: { retry: { maxRetries: 0 } } }],
    })
  })

  it('stays quiet where the spec is already stored, written in another way', () => {
    const spec = { url: URL1, kind: 'vllm', health: { timeoutMs: '5s', enabled: true }, weight: 1 }
    const decided = decide({ op: 'put', resource: 'backend', id: 'b1', spec, ...none }, given)
    expect(decided).toEqual({ ok: true, value: [] })
  })

  it('refuses an id of the wrong shape', () => {
    const command = { op: 'put', resource: 'backend', id: 'a b', spec: backend(), ...none } as const
    expect(paths(refusalOf(command))).toEqual(['id'])
  })
})

describe('patch', () => {
  it('merges into the stored spec', () => {
    const patch = { weight: 5, limits: { pending: 7 } }
    const decided = decide({ op: 'patch', resource: 'backend', id: 'b1', patch, ...none }, given)
    expect(decided).toMatchObject({
      ok: true,
      value: [{ spec: { url: URL1, weight: 5, limits: { connections: 500, pending: 7 } } }],
    })
  })

  it('puts the default back where a member is removed', () => {
    const snapshot = snapshotOf({ backends: { b1: backend({ weight: 9 }) } })
    const command = { op: 'patch', resource: 'backend', id: 'b1', patch: { weight: null } } as const
    expect(decide({ ...command, ...none }, snapshot)).toMatchObject({
      ok: true,
      value: [{ spec: { weight: 1 } }],
    })
  })

  it('refuses what does not exist, whatever If-Match says', () => {
    const command = { op: 'patch', resource: 'backend', id: 'b9', patch: {}, ifMatch: 5 } as const
    expect(refusalOf(command)).toEqual({
      code: 'not_found',
      message: 'backend b9 does not exist',
    })
  })

  it.each([[null], [5], ['text'], [['list']]])('refuses the patch %j', (patch) => {
    const refusal = refusalOf({ op: 'patch', resource: 'backend', id: 'b1', patch, ...none })
    expect(refusal.code).toBe('validation_failed')
    expect(paths(refusal)).toEqual(['spec'])
  })

  it('stays quiet where nothing changes', () => {
    const patch = { weight: 1 }
    const decided = decide({ op: 'patch', resource: 'backend', id: 'b1', patch, ...none }, given)
    expect(decided).toEqual({ ok: true, value: [] })
  })
})

describe('delete', () => {
  it('drafts the end of a resource', () => {
    const decided = decide({ op: 'delete', resource: 'route', id: 'gpt-4o', ...none }, given)
    const draft = { type: 'route.deleted', resource: 'route', id: 'gpt-4o', version: 4, spec: null }
    expect(decided).toEqual({ ok: true, value: [draft] })
  })

  it('refuses what does not exist', () => {
    expect(refusalOf({ op: 'delete', resource: 'route', id: 'r9', ...none }).code).toBe('not_found')
  })
})

describe('If-Match', () => {
  const put = { op: 'put', resource: 'backend', id: 'b1', spec: backend({ weight: 2 }) } as const

  it.each([[5], ['*' as const], [null]])('lets %j pass on the stored revision 5', (ifMatch) => {
    expect(decide({ ...put, ifMatch }, given).ok).toBe(true)
  })

  it.each<['put' | 'patch' | 'delete']>([['put'], ['patch'], ['delete']])(
    'refuses a stale %s and shows what is stored',
    (op) => {
      const command: Command = { ...put, patch: {}, op, ifMatch: 4 }
      expect(refusalOf(command)).toEqual({
        code: 'precondition_failed',
        message: 'backend b1 is at revision 5, not 4',
        current: given.backends.get('b1'),
      })
    },
  )

  it.each([[5], ['*' as const]])('refuses a put with %j of what does not exist', (ifMatch) => {
    const refusal = refusalOf({ ...put, id: 'b9', ifMatch })
    expect(refusal.code).toBe('precondition_failed')
    expect(refusal.current).toBeUndefined()
  })
})

describe('references', () => {
  const create = (id: string, spec: unknown) =>
    ({ op: 'create', resource: 'route', id, spec }) as const

  it('refuses a route to a backend that does not exist and names both ends', () => {
    const targets = [{ backend: 'b1' }, { backend: 'b2' }]
    expect(refusalOf(create('r', { tiers: [{ targets }] }))).toEqual({
      code: 'dangling_reference',
      message: 'route r refers to backend b2, which does not exist',
      errors: [{ path: 'spec.tiers.0.targets.1.backend', message: 'backend b2 does not exist' }],
    })
  })

  it('refuses a route with a policy that does not exist', () => {
    const refusal = refusalOf(create('r', routeTo('b1', { policy: 'slow' })))
    expect(refusal.message).toBe('route r refers to policy slow, which does not exist')
    expect(paths(refusal)).toEqual(['spec.policy'])
  })

  it('names everything that is missing', () => {
    expect(refusalOf(create('r', routeTo('b2', { policy: 'slow' }))).message).toBe(
      'route r refers to backend b2, policy slow, which do not exist',
    )
  })

  it('takes the policy default, which always exists, and targets by label', () => {
    const spec = { tiers: [{ targets: [{ labels: { zone: 'nowhere' } }] }] }
    expect(decide(create('r', spec), snapshotOf({})).ok).toBe(true)
  })

  it.each([
    ['backend', 'b1', 'route gpt-4o still refers to backend b1'],
    ['policy', 'fast', 'route gpt-4o still refers to policy fast'],
  ] as const)('refuses to delete a %s that a route names', (resource, id, message) => {
    expect(refusalOf({ op: 'delete', resource, id, ...none })).toEqual({
      code: 'still_referenced',
      message,
    })
  })

  it('names all routes that refer to it, up to a number', () => {
    const ids = Array.from({ length: NAMED_MAX + 3 }, (_, n) => `r${n}`)
    const routes = Object.fromEntries(ids.map((id) => [id, routeTo('b1')]))
    const snapshot = snapshotOf({ backends: { b1: backend() }, routes })
    const command = { op: 'delete', resource: 'backend', id: 'b1', ...none } as const
    const { message } = refusalOf(command, snapshot)
    expect(message).toContain('route r0, route r1, ')
    expect(message).toContain(`route r${NAMED_MAX - 1} and 3 more still refer to backend b1`)
  })

  it('lets a written policy default go, even where routes use it', () => {
    const snapshot = snapshotOf({
      backends: { b1: backend() },
      policies: { default: {} },
      routes: { r: routeTo('b1') },
    })
    const command = { op: 'delete', resource: 'policy', id: 'default', ...none } as const
    expect(decide(command, snapshot).ok).toBe(true)
  })

  it.each([
    { what: 'an alias that is the id of another', id: 'r', aliases: ['gpt-4o'] },
    { what: 'an alias that another has', id: 'r', aliases: ['gpt'] },
    { what: 'an id that is an alias of another', id: 'gpt', aliases: [] },
  ])('refuses $what and names both routes', ({ id, aliases }) => {
    const name = aliases[0] ?? id
    const path = aliases.length === 0 ? 'id' : 'spec.aliases.0'
    const message = `route ${id} and route gpt-4o both claim the name ${name}`
    expect(refusalOf(create(id, routeTo('b1', { aliases })))).toEqual({
      code: 'duplicate_alias',
      message,
      errors: [{ path, message }],
    })
  })

  it.each([[['r']], [['x', 'x']]])('refuses the aliases %j of route r', (aliases) => {
    const refusal = refusalOf(create('r', routeTo('b1', { aliases })))
    expect(refusal.code).toBe('duplicate_alias')
    expect(refusal.message).toMatch(/^route r claims the name . twice$/)
  })

  it('lets a route keep its own aliases', () => {
    const spec = routeTo('b1', { policy: 'fast', aliases: ['gpt', 'other'] })
    const command = { op: 'put', resource: 'route', id: 'gpt-4o', spec, ...none } as const
    expect(decide(command, given).ok).toBe(true)
  })
})
