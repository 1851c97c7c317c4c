import { DEFAULT_POLICY, type PolicySpec, type RouteSpec, type Snapshot } from '@signalbox/model'
import { labelIndex, type FindByLabels } from './label-index.ts'
import { moveRoute, type Problem, type Quarantine } from './quarantine.ts'
import { type CompiledBackend, type CompiledRoute } from './table.ts'
import { compileTier } from './tier.ts'

/** Models by backend id, for the backends whose models are discovered. */
export type Discovered = ReadonlyMap<string, readonly string[]>

/** What routes are compiled from. */
export interface Parts {
  readonly snapshot: Snapshot
  readonly backends: readonly CompiledBackend[]
  readonly backendById: ReadonlyMap<string, CompiledBackend>
  readonly policies: ReadonlyMap<string, PolicySpec>
  readonly discovered: Discovered
}

export interface Routes {
  /** By every name: ids and aliases. */
  readonly routes: Map<string, CompiledRoute>
  /** Owner of every name that configured routes claim, also of those that do not compile. */
  readonly reserved: ReadonlyMap<string, string>
}

/** The configured routes under all their names. */
export function compileRoutes(parts: Parts, quarantine: Quarantine): Routes {
  const routes = new Map<string, CompiledRoute>()
  const reserved = claimNames(parts.snapshot)
  const checked = { ...parts, reserved }
  const indexed = { ...parts, findByLabels: labelIndex(parts.backends) }
  const broken: string[] = []
  for (const [id, { spec }] of parts.snapshot.routes) {
    const problem = routeProblem(id, spec, checked)
    if (problem) {
      quarantine.problems.push(problem)
      broken.push(id)
      continue
    }
    const route = compileRoute(id, spec, indexed)
    routes.set(id, route)
    for (const alias of spec.aliases) routes.set(alias, route)
  }
  if (broken.length > 0) keepLastRoutes(broken, { parts, routes, reserved, quarantine })
  return { routes, reserved }
}

function keepLastRoutes(
  broken: readonly string[],
  { parts, routes, reserved, quarantine }: Routes & { parts: Parts; quarantine: Quarantine },
): void {
  for (const id of broken) {
    const last = quarantine.lastGood().routes.get(id)
    if (!last) continue
    const route = moveRoute(last.route, parts.backendById)
    // Names that another route has got since then are that route's.
    for (const name of last.names) {
      if ((reserved.get(name) ?? id) === id && !routes.has(name)) routes.set(name, route)
    }
  }
}

/**
 * Which route owns each name. An id beats an alias, and of two routes with one alias the smaller
 * id wins, so that every proxy decides alike. (The control plane refuses both; this is the net.)
 */
function claimNames({ routes }: Snapshot): Map<string, string> {
  const owners = new Map<string, string>()
  for (const id of routes.keys()) owners.set(id, id)
  for (const [id, { spec }] of routes) {
    if (!Array.isArray(spec.aliases)) continue
    for (const alias of spec.aliases) {
      const owner = owners.get(alias)
      if (owner === undefined || (owner !== alias && id < owner)) owners.set(alias, id)
    }
  }
  return owners
}

function routeProblem(
  id: string,
  spec: RouteSpec,
  { snapshot, policies, reserved }: Parts & Pick<Routes, 'reserved'>,
): Problem | undefined {
  const problem = (code: Problem['code'], message: string): Problem => ({
    resource: 'route',
    id,
    code,
    message,
  })
  if (!Array.isArray(spec.aliases) || !hasTiers(spec)) {
    return problem('does_not_compile', `route ${id} has no aliases or no tiers`)
  }
  if (!snapshot.policies.has(spec.policy) && !policies.has(spec.policy)) {
    const what = `policy ${String(spec.policy)}, which does not exist`
    return problem('dangling_reference', `route ${id} refers to ${what}`)
  }
  if (!policies.has(spec.policy)) {
    const what = `policy ${spec.policy}, which does not compile`
    return problem('does_not_compile', `route ${id} refers to ${what}`)
  }
  for (const { backend } of spec.tiers.flatMap((tier) => tier.targets)) {
    if (backend === undefined || snapshot.backends.has(backend)) continue
    const what = `backend ${backend}, which does not exist`
    return problem('dangling_reference', `route ${id} refers to ${what}`)
  }
  const unknown = fallbacksOf(spec).find((fallback) => !snapshot.routes.has(fallback))
  if (unknown !== undefined) {
    const what = `route ${unknown}, which does not exist`
    return problem('dangling_reference', `route ${id} falls back to ${what}`)
  }
  const taken = spec.aliases.find((alias) => reserved.get(alias) !== id)
  if (taken === undefined) return undefined
  const both = `route ${id} and route ${reserved.get(taken)}`
  return problem('duplicate_alias', `${both} both claim the name ${taken}`)
}

/** A route of an earlier version has none. */
function fallbacksOf({ fallbacks }: RouteSpec): readonly string[] {
  const all = fallbacks as readonly string[] | undefined
  return Array.isArray(all) ? all : []
}

function hasTiers(spec: RouteSpec): boolean {
  return (
    Array.isArray(spec.tiers) &&
    spec.tiers.every(
      ({ targets }) =>
        Array.isArray(targets) &&
        targets.every(
          (target) =>
            Number.isFinite(target.weight) &&
            (target.backend !== undefined || typeof target.labels === 'object'),
        ),
    )
  )
}

function compileRoute(
  id: string,
  spec: RouteSpec,
  { backendById, policies, findByLabels }: Parts & { findByLabels: FindByLabels },
): CompiledRoute {
  const tiers = spec.tiers.map((tier) => {
    const groups = tier.targets.map(({ backend, labels, model = id, weight }) => {
      const named = backend === undefined ? undefined : backendById.get(backend)
      // A backend that never compiled is named as a problem itself; the route does without it.
      const found = backend === undefined ? findByLabels(labels ?? {}) : named ? [named] : []
      const backends = found.filter(({ spec: { enabled } }) => enabled)
      const own = backend === undefined ? weight : undefined
      return { model, backends, weight: own, factor: weight }
    })
    return compileTier(groups.filter(({ backends }) => backends.length > 0))
  })
  const policy = policies.get(spec.policy) ?? DEFAULT_POLICY
  const fallbacks = fallbacksOf(spec)
  return { id, implicit: false, tiers, fallbacks, policyId: spec.policy, policy }
}
