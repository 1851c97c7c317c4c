import {
  DEFAULT_POLICY_ID,
  refuse,
  type FieldProblem,
  type Refusal,
  type ResourceName,
  type RouteSpec,
} from '@signalbox/model'
import { routesIn, specIn, type View } from './view.ts'

/** How many resources a message names before it says "and N more". */
export const NAMED_MAX = 20

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
  return checkRoutes(view) ?? checkDeleted(view, 'backend') ?? checkDeleted(view, 'policy')
}

function checkRoutes(view: View): LocatedRefusal | undefined {
  const owners = ownersOfClaimedNames(view)
  for (const [id, { spec, command }] of view.pending.route) {
    if (spec === null) continue
    const route = spec as RouteSpec
    const refusal = danglingReference(view, id, route) ?? duplicateAlias(owners, id, route)
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
  if (errors.length === 0) return undefined
  const verb = missing.size === 1 ? 'does not exist' : 'do not exist'
  const message = `route ${id} refers to ${nameSome([...missing])}, which ${verb}`
  return refuse('dangling_reference', message, { errors })
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
  for (const [id, route] of routesIn(view)) {
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

function checkDeleted(view: View, resource: 'backend' | 'policy'): LocatedRefusal | undefined {
  const users = new Map<string, Set<string>>()
  for (const [id, { spec }] of view.pending[resource]) {
    if (spec === null && !(resource === 'policy' && id === DEFAULT_POLICY_ID)) {
      users.set(id, new Set())
    }
  }
  if (users.size === 0) return undefined
  for (const [routeId, route] of routesIn(view)) {
    for (const id of referredTo(route, resource)) users.get(id)?.add(routeId)
  }
  for (const [id, routes] of users) {
    const command = view.pending[resource].get(id)?.command
    if (routes.size === 0 || command === undefined) continue
    return { command, refusal: stillReferenced(resource, id, [...routes]) }
  }
  return undefined
}

/** The routes that refer to a resource, as the commands have left them. */
export function routesReferringTo(view: View, resource: ResourceName, id: string): string[] {
  if (resource !== 'backend' && resource !== 'policy') return []
  const routes = [...routesIn(view)]
  return routes.flatMap(([name, route]) => (referredTo(route, resource).includes(id) ? name : []))
}

function referredTo(route: RouteSpec, resource: 'backend' | 'policy'): readonly string[] {
  if (resource === 'policy') return [route.policy]
  return route.tiers.flatMap((tier) => tier.targets.flatMap((target) => target.backend ?? []))
}

function stillReferenced(resource: ResourceName, id: string, routes: readonly string[]): Refusal {
  const named = nameSome(routes.map((route) => `route ${route}`))
  const verb = routes.length === 1 ? 'refers' : 'refer'
  return refuse('still_referenced', `${named} still ${verb} to ${resource} ${id}`)
}

function nameSome(names: readonly string[]): string {
  const shown = names.slice(0, NAMED_MAX).join(', ')
  return names.length > NAMED_MAX ? `${shown} and ${names.length - NAMED_MAX} more` : shown
}
