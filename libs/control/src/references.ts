import {
  DEFAULT_POLICY_ID,
  refuse,
  secretOf,
  type BackendSpec,
  type FieldProblem,
  type PolicySpec,
  type Refusal,
  type ResourceName,
  type RouteSpec,
  type SecretSpec,
  type SettingsSpec,
} from '@signalbox/model'
import { addressProblem, shutOutProblem } from './addresses.ts'
import { fallbackCycle, fallbacksOf } from './fallbacks.ts'
import { nameSome, promptedIn, referredBy, type Referred, REFERRED, userOf } from './referring.ts'
import { allIn, specIn, storedIn, type View } from './view.ts'

export interface LocatedRefusal {
  /** Index of the command that is at fault. */
  readonly command: number
  readonly refusal: Refusal
}

/**
 * Whether what the commands wrote holds together, looked at once they are all applied: a change may
 * pass through states that do not (two routes swapping an alias).
 */
export function checkReferences(view: View): LocatedRefusal | undefined {
  const broken =
    checkRoutes(view) ?? checkPolicies(view) ?? checkBackends(view) ?? checkSettings(view)
  if (broken) return broken
  for (const resource of REFERRED) {
    const deleted = checkDeleted(view, resource)
    if (deleted) return deleted
  }
  return undefined
}

function checkRoutes(view: View): LocatedRefusal | undefined {
  const owners = ownersOfClaimedNames(view)
  for (const [id, { spec, command }] of view.pending.route) {
    if (spec === null) continue
    const route = spec as RouteSpec
    const refusal =
      danglingReference(view, id, route) ??
      fallbackCycle(view, id) ??
      duplicateAlias(owners, id, route)
    if (refusal) return { command, refusal }
  }
  return undefined
}

function danglingReference(view: View, id: string, route: RouteSpec): Refusal | undefined {
  const missing = new Set<string>()
  const errors: FieldProblem[] = []
  const note = (path: string, name: string) => {
    missing.add(name)
    errors.push({ path, message: `${name} does not exist` })
  }
  route.tiers.forEach((tier, t) =>
    tier.targets.forEach(({ backend }, n) => {
      if (backend === undefined || specIn(view, 'backend', backend) !== null) return
      note(`spec.tiers.${t}.targets.${n}.backend`, `backend ${backend}`)
    }),
  )
  if (route.policy !== DEFAULT_POLICY_ID && specIn(view, 'policy', route.policy) === null) {
    note('spec.policy', `policy ${route.policy}`)
  }
  fallbacksOf(view, id).forEach((fallback, n) => {
    if (specIn(view, 'route', fallback) !== null) return
    note(`spec.fallbacks.${n}`, `route ${fallback}`)
  })
  if (errors.length === 0) return undefined
  return dangling(`route ${id}`, [...missing], errors)
}

function dangling(
  who: string,
  missing: readonly string[],
  errors: readonly FieldProblem[],
): Refusal {
  const verb = missing.length === 1 ? 'does not exist' : 'do not exist'
  const message = `${who} refers to ${nameSome(missing)}, which ${verb}`
  return refuse('dangling_reference', message, { errors })
}

/** A prompt for a backend that there is not would wait for whoever takes the name next. */
function checkPolicies(view: View): LocatedRefusal | undefined {
  for (const [id, { spec, command }] of view.pending.policy) {
    if (spec === null) continue
    const stored = storedIn(view, 'policy', id)?.spec as PolicySpec | undefined
    const before = new Set(stored && promptedIn(stored))
    const missing = promptedIn(spec as PolicySpec).filter((backend) => {
      if (specIn(view, 'backend', backend) !== null) return false
      // What it named before policies were looked at may stay, but for what goes with this change.
      return !before.has(backend) || view.pending.backend.has(backend)
    })
    if (missing.length === 0) continue
    const errors = missing.map((backend) => {
      const message = `backend ${backend} does not exist`
      return { path: `spec.prompts.backends.${backend}`, message }
    })
    const names = missing.map((backend) => `backend ${backend}`)
    return { command, refusal: dangling(`policy ${id}`, names, errors) }
  }
  return undefined
}

/** For each name that a written route claims: the routes that have it, as their id or an alias. */
type Owners = ReadonlyMap<string, readonly string[]>

/** One pass over all routes, keeping only the names that the written ones claim. */
function ownersOfClaimedNames(view: View): Owners {
  const owners = new Map<string, string[]>()
  for (const [id, { spec }] of view.pending.route) {
    if (spec === null) continue
    for (const name of [id, ...(spec as RouteSpec).aliases]) owners.set(name, [])
  }
  if (owners.size === 0) return owners
  for (const [id, route] of allIn(view, 'route')) {
    owners.get(id)?.push(id)
    for (const alias of route.aliases) owners.get(alias)?.push(id)
  }
  return owners
}

function duplicateAlias(owners: Owners, id: string, route: RouteSpec): Refusal | undefined {
  const errors: FieldProblem[] = []
  const claim = (name: string, path: string) => {
    const other = owners.get(name)?.find((owner) => owner !== id)
    if (other === undefined) return
    errors.push({ path, message: `route ${id} and route ${other} both claim the name ${name}` })
  }
  claim(id, 'id')
  route.aliases.forEach((alias, n) => {
    const path = `spec.aliases.${n}`
    claim(alias, path)
    if (alias === id || route.aliases.indexOf(alias) !== n) {
      errors.push({ path, message: `route ${id} claims the name ${alias} twice` })
    }
  })
  const first = errors[0]
  return first && refuse('duplicate_alias', first.message, { errors })
}

/** Backends that were written, and those whose secret was. */
function checkBackends(view: View): LocatedRefusal | undefined {
  for (const [id, { spec, command }] of view.pending.backend) {
    if (spec === null) continue
    const backend = spec as BackendSpec
    const refusal = secretProblem(view, id, backend) ?? addressProblem(view, id, backend)
    if (refusal) return { command, refusal }
  }
  if (view.pending.secret.size === 0) return undefined
  for (const [id, spec] of allIn(view, 'backend')) {
    const written = view.pending.secret.get(secretOf(spec) ?? '')
    // One that was deleted is another refusal: still_referenced.
    const refusal = written?.spec ? secretProblem(view, id, spec) : undefined
    if (written && refusal) {
      const { message } = refusal
      const errors = [{ path: 'spec.origins', message }]
      return { command: written.command, refusal: { ...refusal, errors } }
    }
  }
  return undefined
}

function secretProblem(view: View, id: string, spec: BackendSpec): Refusal | undefined {
  const name = secretOf(spec)
  if (name === undefined) return undefined
  const secret = specIn(view, 'secret', name) as SecretSpec | null
  if (secret === null) {
    const message = `backend ${id} refers to secret ${name}, which does not exist`
    const errors = [{ path: 'spec.credential.secret', message: `secret ${name} does not exist` }]
    return refuse('dangling_reference', message, { errors })
  }
  const { origin } = new URL(spec.url)
  if (secret.origins === undefined || secret.origins.includes(origin)) return undefined
  const message = `backend ${id} would send secret ${name} to ${origin}, which it does not name`
  return refuse('origin_not_allowed', message, { errors: [{ path: 'spec.url', message }] })
}

function checkSettings(view: View): LocatedRefusal | undefined {
  for (const [, { spec, command }] of view.pending.settings) {
    const shutOut = shutOutProblem(view, spec)
    if (shutOut) return { command, refusal: shutOut }
    const policy = (spec as SettingsSpec | null)?.implicitPolicy ?? DEFAULT_POLICY_ID
    if (policy === DEFAULT_POLICY_ID || specIn(view, 'policy', policy) !== null) continue
    const message = `settings refer to policy ${policy}, which does not exist`
    const errors = [{ path: 'spec.implicitPolicy', message: `policy ${policy} does not exist` }]
    return { command, refusal: refuse('dangling_reference', message, { errors }) }
  }
  return undefined
}

function checkDeleted(view: View, resource: Referred): LocatedRefusal | undefined {
  const users = new Map<string, Set<string>>()
  for (const [id, { spec }] of view.pending[resource]) {
    if (spec === null && !(resource === 'policy' && id === DEFAULT_POLICY_ID)) {
      users.set(id, new Set())
    }
  }
  if (users.size === 0) return undefined
  for (const user of referredBy(view, resource)) {
    for (const id of user.refersTo) users.get(id)?.add(userOf(user))
  }
  for (const [id, named] of users) {
    const command = view.pending[resource].get(id)?.command
    if (named.size === 0 || command === undefined) continue
    return { command, refusal: stillReferenced(resource, id, [...named]) }
  }
  return undefined
}

function stillReferenced(resource: ResourceName, id: string, users: readonly string[]): Refusal {
  const one = users.length === 1 && users[0] !== 'settings'
  const verb = one ? 'refers' : 'refer'
  return refuse('still_referenced', `${nameSome(users)} still ${verb} to ${resource} ${id}`)
}
