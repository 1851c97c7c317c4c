import {
  type PolicySpec,
  type ResourceName,
  type RouteSpec,
  secretOf,
  SETTINGS_ID,
  type SettingsSpec,
} from '@signalbox/model'
import { allIn, specIn, type View } from './view.ts'

/** How many resources a message names before it says "and N more". */
export const NAMED_MAX = 20

/** The kinds that others refer to by name, each after those that refer to it. */
export const REFERRED = ['route', 'backend', 'policy', 'secret'] as const
export type Referred = (typeof REFERRED)[number]

export interface User {
  readonly resource: 'route' | 'backend' | 'policy' | 'settings'
  readonly id: string
  readonly refersTo: readonly string[]
}

/** Everybody who could refer to a resource of this kind, as the commands have left them. */
export function* referredBy(view: View, resource: Referred): Generator<User> {
  if (resource === 'secret') {
    for (const [id, spec] of allIn(view, 'backend')) {
      const secret = secretOf(spec)
      if (secret !== undefined) yield { resource: 'backend', id, refersTo: [secret] }
    }
    return
  }
  for (const [id, route] of allIn(view, 'route')) {
    yield { resource: 'route', id, refersTo: namedIn(route, resource) }
  }
  if (resource === 'backend') {
    for (const [id, policy] of allIn(view, 'policy')) {
      yield { resource: 'policy', id, refersTo: promptedIn(policy) }
    }
  }
  if (resource !== 'policy') return
  for (const [id, { implicitPolicy }] of allIn(view, 'settings')) {
    yield { resource: 'settings', id, refersTo: policyOf(implicitPolicy) }
  }
}

function namedIn(route: RouteSpec, resource: Exclude<Referred, 'secret'>): readonly string[] {
  // A route that was stored before there were fallbacks has none.
  if (resource === 'route') return (route.fallbacks as readonly string[] | undefined) ?? []
  if (resource === 'policy') return [route.policy]
  return route.tiers.flatMap((tier) => tier.targets.flatMap((target) => target.backend ?? []))
}

/** The backends that a policy has a prompt for; none in one stored before there were prompts. */
export function promptedIn({ prompts }: PolicySpec): readonly string[] {
  return Object.keys((prompts as PolicySpec['prompts'] | undefined)?.backends ?? {})
}

/** Settings that were stored before they named one have none. */
function policyOf(policy: SettingsSpec['implicitPolicy'] | undefined): readonly string[] {
  return policy === undefined ? [] : [policy]
}

/**
 * What a cascade deletes with a resource: all that refer to it, and all that refer to those.
 * Settings stay, so that their reference is refused as any other. So do policies, which only lose
 * a prompt (`withoutPrompts`).
 */
export function referringTo(view: View, resource: ResourceName, id: string): readonly User[] {
  const found = new Map<string, User>()
  const waiting: { readonly resource: ResourceName; readonly id: string }[] = [{ resource, id }]
  // It grows while it is walked. Routes may refer to each other in a circle until that is refused.
  for (const one of waiting) {
    const kind = REFERRED.find((name) => name === one.resource)
    if (!kind) continue
    for (const user of referredBy(view, kind)) {
      if (user.resource === 'settings' || user.resource === 'policy') continue
      if (!user.refersTo.includes(one.id)) continue
      if (found.has(userOf(user))) continue
      found.set(userOf(user), user)
      waiting.push(user)
    }
  }
  return [...found.values()]
}

/** The policies that have prompts for backends that are gone for them, without those prompts. */
export function* withoutPrompts(
  view: View,
  isGone: (policy: string, backend: string) => boolean,
): Generator<readonly [string, PolicySpec]> {
  for (const [id, policy] of allIn(view, 'policy')) {
    if (!promptedIn(policy).some((backend) => isGone(id, backend))) continue
    const left = Object.entries(policy.prompts.backends).filter(([name]) => !isGone(id, name))
    yield [id, { ...policy, prompts: { ...policy.prompts, backends: Object.fromEntries(left) } }]
  }
}

/**
 * At the end of a rollback: a policy that it brings back may have a prompt for a backend that it
 * does not bring back. One that it leaves has such a prompt, where it is a rollback of the `whole`,
 * only of a time when policies were not looked at; where it is of chosen resources the prompt may
 * be new, and the backend is held fast.
 */
export function trimPrompts(view: View, { whole }: { readonly whole: boolean }): void {
  const { policy: back, backend: written } = view.pending
  if (back.size === 0 && (!whole || written.size === 0)) return
  const isGone = (policy: string, backend: string) =>
    specIn(view, 'backend', backend) === null &&
    (back.has(policy) || (whole && written.has(backend)))
  for (const [id, spec] of [...withoutPrompts(view, isGone)]) {
    view.pending.policy.set(id, { spec, command: 0 })
  }
}

export function userOf({ resource, id }: User): string {
  return resource === 'settings' && id === SETTINGS_ID ? 'settings' : `${resource} ${id}`
}

export function nameSome(names: readonly string[]): string {
  const shown = names.slice(0, NAMED_MAX).join(', ')
  return names.length > NAMED_MAX ? `${shown} and ${names.length - NAMED_MAX} more` : shown
}
