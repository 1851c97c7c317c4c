import { type Refusal } from '@signalbox/model'
import { type Command } from './command.ts'
import { decideAll } from './decide.ts'
import { snapshotOf } from './snapshot-harness.ts'

const backend = { kind: 'vllm', url: 'http://127.0.0.1:8000' }
const routeTo = (id: string, aliases: readonly string[] = []) => ({
  tiers: [{ targets: [{ backend: id }] }],
  aliases,
})
const create = (resource: 'backend' | 'route' | 'policy', id: string, spec: unknown): Command => ({
  op: 'create',
  resource,
  id,
  spec,
})
const put = (resource: 'backend' | 'route' | 'policy', id: string, spec: unknown): Command => ({
  op: 'put',
  resource,
  id,
  spec,
  ifMatch: null,
})
const remove = (resource: 'backend' | 'route' | 'policy', id: string): Command => ({
  op: 'delete',
  resource,
  id,
  ifMatch: null,
})

const given = snapshotOf({
  backends: { b1: backend },
  routes: { r1: routeTo('b1', ['x']), r2: routeTo('b1', ['y']) },
})

function types(commands: readonly Command[]): string[] | Refusal {
  const decided = decideAll(commands, given)
  return decided.ok ? decided.value.map(({ type, id }) => `${type} ${id}`) : decided.error
}

describe('decideAll', () => {
  it('lets a command see what the earlier ones wrote', () => {
    const commands = [create('backend', 'b2', backend), create('route', 'r3', routeTo('b2'))]
    expect(types(commands)).toEqual(['backend.created b2', 'route.created r3'])
  })

  it('looks at references once all are applied, so that order does not matter', () => {
    expect(types([create('route', 'r3', routeTo('b2')), create('backend', 'b2', backend)])).toEqual(
      ['backend.created b2', 'route.created r3'],
    )
    expect(
      types([remove('backend', 'b1'), remove('route', 'r1'), remove('route', 'r2')]),
    ).toHaveLength(3)
  })

  it('lets two routes swap their aliases', () => {
    const swapped = [
      put('route', 'r1', routeTo('b1', ['y'])),
      put('route', 'r2', routeTo('b1', ['x'])),
    ]
    expect(types(swapped)).toEqual(['route.updated r1', 'route.updated r2'])
  })

  it('drafts the net effect, once a resource', () => {
    const light = { ...backend, weight: 2 }
    expect(types([create('backend', 'b2', backend), put('backend', 'b2', light)])).toEqual([
      'backend.created b2',
    ])
    expect(types([create('backend', 'b2', backend), remove('backend', 'b2')])).toEqual([])
    expect(types([remove('backend', 'b1'), create('backend', 'b1', light)])).toEqual([
      'backend.updated b1',
    ])
    expect(types([put('backend', 'b1', light), put('backend', 'b1', backend)])).toEqual([])
  })

  it('stays quiet for no commands', () => {
    expect(types([])).toEqual([])
  })

  it('refuses all where one is refused, and names its place', () => {
    const wrong = create('backend', 'b3', { ...backend, limits: { connections: 0 } })
    const refusal = types([create('backend', 'b2', backend), wrong]) as Refusal
    expect(refusal.code).toBe('validation_failed')
    expect(refusal.errors?.map((error) => error.path)).toEqual([
      'operations.1.spec.limits.connections',
    ])
  })

  it('names the place of a refusal that has no fields', () => {
    expect(types([remove('backend', 'b9')])).toEqual({
      code: 'not_found',
      message: 'backend b9 does not exist',
      errors: [{ path: 'operations.0', message: 'backend b9 does not exist' }],
    })
  })

  it('blames a broken reference on the command that wrote it last', () => {
    const dangling = types([create('policy', 'p', {}), create('route', 'r3', routeTo('b9'))])
    expect(dangling).toMatchObject({
      code: 'dangling_reference',
      errors: [{ path: 'operations.1.spec.tiers.0.targets.0.backend' }],
    })
    const used = types([create('policy', 'p', {}), remove('backend', 'b1')])
    expect(used).toMatchObject({
      code: 'still_referenced',
      message: 'route r1, route r2 still refer to backend b1',
      errors: [{ path: 'operations.1' }],
    })
  })

  it('refuses an If-Match on what an earlier command creates', () => {
    const second: Command = { ...put('backend', 'b2', backend), ifMatch: 8 } as Command
    expect(types([create('backend', 'b2', backend), second])).toMatchObject({
      code: 'precondition_failed',
      message: 'backend b2 is new in this change and has no revision yet',
    })
  })
})
