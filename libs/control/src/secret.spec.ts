import { type Refusal, type Snapshot } from '@signalbox/model'
import { type Command } from './command.ts'
import { configOf, decideConfig } from './config.ts'
import { decide, decideAll } from './decide.ts'
import { diff } from './diff.ts'
import { decideRollback } from './rollback.ts'
import { widens } from './secret.ts'
import { commit, snapshotOf } from './snapshot-harness.ts'

const HOME = 'https://api.test'
const stored = { sealed: 'AAAA', fingerprint: 'f00d' }
const other = { sealed: 'BBBB', fingerprint: 'beef' }
const backend = (more: object = {}) => ({ kind: 'openai', url: HOME, ...more })
const uses = { credential: { secret: 's' } }
const route = { tiers: [{ targets: [{ backend: 'b' }] }] }
const given = snapshotOf({
  secrets: { s: { ...stored, origins: [HOME] }, free: stored },
  backends: { b: backend(uses), own: backend({ credential: stored }) },
  routes: { r: route },
})
const none = { ifMatch: null }
const put = (resource: 'secret' | 'backend', id: string, spec: unknown): Command => {
  return { op: 'put', resource, id, spec, ...none }
}
const patch = (resource: 'secret' | 'backend', id: string, change: unknown): Command => {
  return { op: 'patch', resource, id, patch: change, ...none }
}

function after(command: Command, now: Snapshot = given): Snapshot {
  const decided = decide(command, now)
  if (!decided.ok) throw new Error(JSON.stringify(decided.error))
  return commit(now, decided.value)
}
function refusal(command: Command, now: Snapshot = given): Refusal {
  const decided = decide(command, now)
  if (decided.ok) throw new Error('expected a refusal')
  return decided.error
}

describe('the value of a secret', () => {
  it.each<[string, Command]>([
    ['is not said', put('secret', 's', { description: 'd' })],
    ['is shown back', put('secret', 's', { fingerprint: 'f00d', description: 'd' })],
    ['is sealed again', put('secret', 's', { ...stored, sealed: 'CCCC', description: 'd' })],
    ['is not patched', patch('secret', 's', { description: 'd' })],
  ])('stays where it %s', (_, command) => {
    expect(after(command).secrets.get('s')?.spec).toMatchObject({ ...stored, description: 'd' })
  })

  it('is another one where another is sent', () => {
    expect(after(patch('secret', 's', other)).secrets.get('s')?.spec).toMatchObject(other)
  })

  it('must be there, and must be the one that is shown', () => {
    const paths = ({ errors = [] }: Refusal) => errors.map(({ path }) => path)
    expect(paths(refusal(put('secret', 'new', {})))).toEqual(['spec.value'])
    expect(paths(refusal(put('secret', 's', { fingerprint: 'beef' })))).toEqual([
      'spec.fingerprint',
    ])
    expect(paths(refusal(patch('secret', 's', { fingerprint: 'beef' })))).toHaveLength(1)
  })
})

describe('a backend that refers to a secret', () => {
  it('takes one form of credential or the other, whatever is patched', () => {
    const referring = after(patch('backend', 'own', uses)).backends.get('own')
    expect(referring?.spec.credential).toEqual({ secret: 's' })
    const own = after(patch('backend', 'b', { credential: other })).backends.get('b')
    expect(own?.spec.credential).toEqual(other)
  })

  it('is refused where the secret is missing, naming both', () => {
    const { code, message, errors } = refusal(
      patch('backend', 'b', { credential: { secret: 'x' } }),
    )
    expect([code, message]).toEqual([
      'dangling_reference',
      'backend b refers to secret x, which does not exist',
    ])
    expect(errors?.map(({ path }) => path)).toEqual(['spec.credential.secret'])
  })

  it('holds the secret, unless what refers to it goes along', () => {
    const remove = { op: 'delete', resource: 'secret', id: 's', ...none } as const
    expect(refusal(remove).message).toBe('backend b still refers to secret s')
    const gone = after({ ...remove, cascade: true })
    expect([gone.secrets.has('s'), gone.backends.has('b'), gone.routes.has('r')]).toEqual([
      ...[false, false, false],
    ])
    expect(gone.backends.has('own')).toBe(true)
  })

  it('sends it to its origins alone, whichever of the two is changed', () => {
    expect(refusal(patch('backend', 'b', { url: 'https://evil.test' })).code).toBe(
      'origin_not_allowed',
    )
    expect(refusal(patch('backend', 'b', { url: 'http://api.test' })).code).toBe(
      'origin_not_allowed',
    )
    const narrower = refusal(patch('secret', 's', { origins: ['https://other.test'] }))
    expect(narrower.errors?.map(({ path }) => path)).toEqual(['spec.origins'])
    expect(after(patch('backend', 'b', { url: `${HOME}/v2` })).backends.get('b')?.spec.url).toBe(
      `${HOME}/v2`,
    )
  })
})

describe('who may say where a secret goes', () => {
  const why = (...commands: Command[]) => {
    const decided = decideAll(commands, given)
    if (!decided.ok) throw new Error(JSON.stringify(decided.error))
    return widens(decided.value, given)
  }

  it.each<[string, Command[]]>([
    ['another origin', [patch('secret', 's', { origins: [HOME, 'https://evil.test'] })]],
    [
      'another origin with another value',
      [
        patch('secret', 's', { ...other, origins: ['http://x'] }),
        patch('backend', 'b', { url: 'http://x' }),
      ],
    ],
    ['first origins', [patch('secret', 'free', { origins: [HOME] })]],
    [
      'a backend that takes one without origins',
      [patch('backend', 'own', { credential: { secret: 'free' } })],
    ],
  ])('an admin: %s', (_, commands) => {
    expect(why(...commands)).toEqual(expect.any(String))
  })

  it('an admin: a backend that moves with one without origins', () => {
    const now = after(patch('backend', 'own', { credential: { secret: 'free' } }))
    const moved = decide(patch('backend', 'own', { url: 'https://evil.test' }), now)
    expect(moved.ok && widens(moved.value, now)).toEqual(expect.any(String))
    const same = decide(patch('backend', 'own', { weight: 2 }), now)
    expect(same.ok && widens(same.value, now)).toBeUndefined()
  })

  it.each<[string, Command[]]>([
    ['another value', [patch('secret', 's', other)]],
    ['fewer origins', [patch('secret', 'free', { description: 'd' })]],
    ['a backend within the origins', [put('backend', 'c', backend(uses))]],
    [
      'a new secret with the backend that takes it',
      [put('secret', 'n', other), put('backend', 'c', backend({ credential: { secret: 'n' } }))],
    ],
  ])('anybody who may write: %s', (_, commands) => {
    expect(why(...commands)).toBeUndefined()
  })
})

describe('the whole and its secrets', () => {
  it('a document that was exported changes nothing, and leaving them out deletes none', () => {
    const document = configOf(given)
    const how = { set: null, prune: true, force: true }
    expect(decideConfig(document, how)(given)).toEqual({ ok: true, value: [] })
    const { secrets: _, ...rest } = document
    expect(decideConfig(rest, how)(given)).toEqual({ ok: true, value: [] })
  })

  it('a rollback leaves them as they are, and the seal of what is the same secret', () => {
    const resealed = { ...stored, sealed: 'ZZZZ' }
    const now = snapshotOf({
      secrets: { s: { ...other, origins: [HOME] }, free: resealed },
      backends: { b: backend({ ...uses, weight: 9 }), own: backend({ credential: resealed }) },
      routes: { r: route },
    })
    const target = { snapshot: given, touched: diff(now, given) }
    const decided = decideRollback(null)(now, target)
    expect(decided.ok && decided.value.map(({ type, id }) => `${type} ${id}`)).toEqual([
      'backend.updated b',
    ])
    const named = decideRollback([{ resource: 'secret', id: 's' }])(now, target)
    expect(named.ok && named.value[0]?.spec).toMatchObject(stored)
  })
})

describe('the policy that the settings name', () => {
  const settings = (implicitPolicy: string): Command => {
    return { op: 'put', resource: 'settings', id: 'default', spec: { implicitPolicy }, ...none }
  }
  it('must exist, and stays while they name it', () => {
    const now = snapshotOf({ policies: { fast: {} } })
    expect(refusal(settings('slow'), now).message).toBe(
      'settings refer to policy slow, which does not exist',
    )
    const named = after(settings('fast'), now)
    const remove = { op: 'delete', resource: 'policy', id: 'fast', ...none } as const
    expect(refusal(remove, named).message).toBe('settings still refer to policy fast')
    expect(refusal({ ...remove, cascade: true }, named).code).toBe('still_referenced')
  })
})
