import {
  collection,
  RESOURCES,
  type ResourceName,
  type Snapshot,
  type Spec,
  type SpecOf,
} from '@signalbox/model'
import { type Command, type IfMatch } from './command.ts'

/*
 * What decide() and project() are held to: a model that is as naive as can be: one map of all resources by
 * `resource/id`, every rule written as one sentence over all of it.
 */

export type Name = 'backend' | 'policy' | 'route' | 'secret' | 'key' | 'set'

/** What is watched of each kind; null where it says nothing. */
export interface Values {
  readonly backend: { readonly weight: number; readonly secret: string | null }
  readonly policy: { readonly retries: number; readonly prompt: string | null }
  readonly route: {
    readonly backend: string
    readonly policy: string
    readonly aliases: readonly string[]
  }
  readonly secret: { readonly value: string }
  /** The hash is that of a new token; a key that is there keeps its own. */
  readonly key: { readonly owner: string; readonly hash: string }
  readonly set: { readonly members: readonly string[] }
}
type Written = { [One in Name]: { readonly resource: One; readonly value: Values[One] } }[Name]
type Thing = Written & { readonly id: string; readonly revision: number }

export interface Naive {
  readonly revision: number
  readonly things: ReadonlyMap<string, Thing>
}

export const OPS = ['create', 'put', 'patch', 'delete', 'cascade'] as const
/** `old`: a revision that was its own once, or never. */
export type Match = 'none' | 'any' | 'own' | 'old'
export interface Action {
  readonly op: (typeof OPS)[number]
  readonly match: Match
  readonly written: Written
  readonly id: string
}

export const EMPTY: Naive = { revision: 0, things: new Map() }

export const keyOf = ({ resource, id }: { resource: string; id: string }) => `${resource}/${id}`

/** What may not go while it is there; what a set names goes without being asked. */
function needs({ resource, value }: Written): readonly string[] {
  if (resource === 'backend') return value.secret === null ? [] : [`secret/${value.secret}`]
  if (resource === 'policy') return value.prompt === null ? [] : [`backend/${value.prompt}`]
  if (resource !== 'route') return []
  const policy = value.policy === 'default' ? [] : [`policy/${value.policy}`]
  return [`backend/${value.backend}`, ...policy]
}

function holds(things: ReadonlyMap<string, Thing>): boolean {
  const all = [...things.values()]
  const names = all.flatMap((one) =>
    one.resource === 'route' ? [one.id, ...one.value.aliases] : [],
  )
  const members = all.flatMap((one) => (one.resource === 'set' ? one.value.members : []))
  return (
    all.every((one) => needs(one).every((key) => things.has(key))) &&
    members.every((key) => things.has(key)) &&
    new Set(names).size === names.length
  )
}

/** The model after an action, or undefined where it is refused. */
export function naiveStep({ revision, things }: Naive, action: Action): Naive | undefined {
  const { op, written, id } = action
  const key = keyOf({ ...written, id })
  const before = things.get(key)
  if (before ? op === 'create' : op === 'patch' || op === 'delete' || op === 'cascade') {
    return undefined
  }
  if (op !== 'create' && !matches(action, before)) return undefined
  const after = new Map(things)
  if (op === 'delete' || op === 'cascade') take(after, key, op === 'cascade')
  else after.set(key, { ...afterWrite(action, before), id, revision: 0 })
  if (!holds(after)) return undefined
  for (const [one, thing] of after) {
    const same = JSON.stringify(things.get(one)?.value) === JSON.stringify(thing.value)
    after.set(one, { ...thing, revision: same ? (things.get(one)?.revision ?? 0) : revision + 1 })
  }
  return { revision: revision + 1, things: after }
}

function matches(action: Action, before: Thing | undefined): boolean {
  if (action.match === 'none') return true
  if (!before) return false
  return action.match === 'any' || before.revision === ifMatchOf(action, before)
}

function afterWrite({ op, written }: Action, before: Thing | undefined): Written {
  if (written.resource === 'key' && before?.resource === 'key') {
    return { resource: 'key', value: { ...written.value, hash: before.value.hash } }
  }
  if (op !== 'patch' || !before) return written
  return { ...before, value: { ...before.value, ...patchOf(written) } } as Written
}

/** What a patch says: not all that there is. */
function patchOf({ resource, value }: Written): Partial<Values[Name]> {
  if (resource === 'backend') return { weight: value.weight }
  if (resource === 'policy') return { retries: value.retries }
  if (resource === 'route') return { policy: value.policy, aliases: value.aliases }
  return value
}

function take(things: Map<string, Thing>, key: string, cascade: boolean): void {
  things.delete(key)
  for (const other of [...things.keys()]) {
    const thing = things.get(other)
    if (thing?.resource === 'set') {
      const members = thing.value.members.filter((one) => one !== key)
      things.set(other, { ...thing, value: { members } })
    } else if (cascade && thing && needs(thing).includes(key)) {
      if (thing.resource !== 'policy') take(things, other, true)
      else things.set(other, { ...thing, value: { ...thing.value, prompt: null } })
    }
  }
}

function specOf({ resource, value }: Written): Record<string, unknown> {
  switch (resource) {
    case 'backend': {
      const credential = value.secret === null ? {} : { credential: { secret: value.secret } }
      return { kind: 'ollama', url: 'http://h.test', weight: value.weight, ...credential }
    }
    case 'policy': {
      const backends = value.prompt === null ? {} : { [value.prompt]: { text: 'x' } }
      return { retry: { maxRetries: value.retries }, prompts: { backends } }
    }
    case 'route': {
      const { backend, policy, aliases } = value
      return { tiers: [{ targets: [{ backend }] }], policy, aliases }
    }
    case 'secret':
      return { sealed: value.value, fingerprint: `f-${value.value}` }
    case 'key':
      return { owner: value.owner, hash: value.hash }
    case 'set':
      return { members: value.members }
  }
}

function patchSpecOf(written: Written): Record<string, unknown> {
  const spec = specOf(written)
  const named: Partial<Record<Name, readonly string[]>> = {
    ...{ backend: ['weight'], policy: ['retry'], route: ['policy', 'aliases'] },
    key: ['owner'],
  }
  const members = named[written.resource] ?? Object.keys(spec)
  return Object.fromEntries(members.map((name) => [name, spec[name]]))
}

function ifMatchOf({ match }: Action, thing: Thing | undefined): IfMatch {
  if (match === 'none') return null
  if (match === 'any') return '*'
  const own = thing?.revision ?? 0
  return match === 'own' ? own : own + 1
}

export function commandOf(action: Action, { things }: Naive = EMPTY): Command {
  const { op, written, id } = action
  const { resource } = written
  const ifMatch = ifMatchOf(action, things.get(keyOf({ resource, id })))
  if (op === 'create') return { op, resource, id, spec: specOf(written) }
  if (op === 'put') return { op, resource, id, spec: specOf(written), ifMatch }
  if (op === 'patch') return { op, resource, id, patch: patchSpecOf(written), ifMatch }
  return { op: 'delete', resource, id, ifMatch, cascade: op === 'cascade' }
}

interface Shown {
  readonly spec: object
  readonly revision: number
}

/** What the model says of it, in the words of a snapshot: specs and revisions by key. */
export function shown({ things }: Naive): ReadonlyMap<string, Shown> {
  return new Map(
    [...things].map(([key, thing]) => [key, { spec: specOf(thing), revision: thing.revision }]),
  )
}

export function shownOf(snapshot: Snapshot): ReadonlyMap<string, Shown> {
  const all = RESOURCES.flatMap((name) =>
    [...collection(snapshot, name)].map(([id, one]) => {
      const key = keyOf({ resource: name, id })
      return [key, { spec: watched(name, one.spec), revision: one.revision }] as const
    }),
  )
  return new Map(all)
}

/** Of a stored spec, what the model has. */
function watched(name: ResourceName, spec: Spec): object {
  switch (name) {
    case 'backend': {
      const { kind, url, weight, credential } = spec as SpecOf['backend']
      return { kind, url, weight, ...(credential ? { credential } : {}) }
    }
    case 'policy': {
      const { retry, prompts } = spec as SpecOf['policy']
      const texts = Object.entries(prompts.backends).map(([id, { text }]) => [id, { text }])
      const backends = Object.fromEntries(texts)
      return { retry: { maxRetries: retry.maxRetries }, prompts: { backends } }
    }
    case 'route': {
      const { tiers, policy, aliases } = spec as SpecOf['route']
      const targets = tiers[0]?.targets.map(({ backend }) => ({ backend }))
      return { tiers: [{ targets }], policy, aliases }
    }
    case 'secret': {
      const { sealed, fingerprint } = spec as SpecOf['secret']
      return { sealed, fingerprint }
    }
    case 'key': {
      const { owner, hash } = spec as SpecOf['key']
      return { owner, hash }
    }
    default:
      return spec
  }
}

/** The same rules, read of a snapshot. */
export function problemsOf(snapshot: Snapshot): readonly string[] {
  const has = (key: string) => shownOf(snapshot).has(key)
  const { backends, policies, routes, sets } = snapshot
  const wanted = [
    ...[...backends.values()].flatMap(({ spec }) => {
      const { credential } = spec
      return credential && 'secret' in credential ? [`secret/${credential.secret}`] : []
    }),
    ...[...policies.values()].flatMap(({ spec }) =>
      Object.keys(spec.prompts.backends).map((id) => `backend/${id}`),
    ),
    ...[...routes.values()].flatMap(({ spec }) => [
      `backend/${spec.tiers[0]?.targets[0]?.backend}`,
      ...(spec.policy === 'default' ? [] : [`policy/${spec.policy}`]),
    ]),
    ...[...sets.values()].flatMap(({ spec }) => spec.members),
  ]
  const names = [...routes].flatMap(([id, { spec }]) => [id, ...spec.aliases])
  const twice = names.filter((name, n) => names.indexOf(name) !== n)
  return [...wanted.filter((key) => !has(key)), ...twice]
}
