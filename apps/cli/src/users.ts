import { type Resource } from './answers.ts'
import { type AdminClient } from './client.ts'
import { type Kind } from './kinds.ts'
import { listAll } from './list-all.ts'

export interface Target {
  readonly backend?: string
  readonly labels?: object
  readonly weight?: number
}

/** Which resources use this one: `route/r1`, or `route/r0 (falls back to r1)`. */
export async function usersOf(
  client: AdminClient,
  kind: Kind,
  id: string,
): Promise<readonly string[]> {
  if (kind === 'set') return []
  const [routes, sets, backends, settings, policies] = await Promise.all([
    listAll(client, 'route'),
    listAll(client, 'set'),
    kind === 'secret' ? backendsWith(client, id) : [],
    kind === 'policy' ? listAll(client, 'settings') : null,
    kind === 'backend' ? listAll(client, 'policy') : null,
  ])
  const prompting = policies?.items.filter((policy) => hasPromptFor(policy, id)) ?? []
  const direct = routes.items.filter((route) => names(route, kind, id))
  const owners = sets.items.filter(({ spec }) =>
    ((spec['members'] ?? []) as readonly string[]).includes(`${kind}/${id}`),
  )
  return [
    ...backends.map((backend) => `backend/${backend}`),
    ...direct.map((route) => `route/${route.id}`),
    ...fallingBack(routes.items, kind === 'route' ? routeNamed(routes.items, id) : direct),
    ...prompting.map((policy) => `policy/${policy.id}`),
    ...(settings && implicitPolicyOf(settings.items) === id ? ['settings/default'] : []),
    ...owners.map((set) => `set/${set.id}`),
  ]
}

function names({ spec }: Resource, kind: Kind, id: string): boolean {
  if (kind === 'policy') return spec['policy'] === id
  if (kind !== 'backend') return false
  const tiers = (spec['tiers'] ?? []) as readonly { readonly targets: readonly Target[] }[]
  return tiers.some(({ targets }) => targets.some(({ backend }) => backend === id))
}

function hasPromptFor({ spec }: Resource, backend: string): boolean {
  const prompts = spec['prompts'] as { readonly backends?: object } | undefined
  return Object.hasOwn(prompts?.backends ?? {}, backend)
}

function routeNamed(routes: readonly Resource[], id: string): readonly Resource[] {
  return routes.filter((route) => route.id === id)
}

/** The routes that end at one of these by their fallbacks, over any number of others. */
function fallingBack(routes: readonly Resource[], to: readonly Resource[]): readonly string[] {
  const reached = new Set(to)
  const found: string[] = []
  // Each one that is found may be what others fall back to.
  for (const one of reached) {
    for (const route of routes) {
      const fallbacks = (route.spec['fallbacks'] ?? []) as readonly string[]
      if (reached.has(route) || !fallbacks.includes(one.id)) continue
      reached.add(route)
      found.push(`route/${route.id} (falls back to ${one.id})`)
    }
  }
  return found
}

/** Where nobody has written settings, models that no route names have the policy `default`. */
function implicitPolicyOf([settings]: readonly Resource[]): unknown {
  return settings?.spec['implicitPolicy'] ?? 'default'
}

/** The backends that refer to a secret. */
export async function backendsWith(
  client: AdminClient,
  secret: string,
): Promise<readonly string[]> {
  const { items } = await listAll(client, 'backend')
  const refers = ({ spec }: Resource) =>
    (spec['credential'] as { readonly secret?: string } | undefined)?.secret === secret
  return items.filter(refers).map(({ id }) => id)
}
