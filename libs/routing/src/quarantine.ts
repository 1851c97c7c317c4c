import { type PolicySpec, type RefusalCode, type ResourceName } from '@signalbox/model'
import { type CompiledBackend, type CompiledRoute, type Table } from './table.ts'
import { withTargets } from './tier.ts'

/** One resource that does not compile. It keeps its last good version, if there was one. */
export interface Problem {
  readonly resource: ResourceName
  readonly id: string
  readonly code: Extract<RefusalCode, 'does_not_compile' | 'dangling_reference' | 'duplicate_alias'>
  readonly message: string
}

/** Where what does not compile is noted, and where its last good version is found. */
export interface Quarantine {
  readonly previous: Table | undefined
  readonly problems: Problem[]
  /** The last table by resource. Made when it is first asked for: usually nothing is broken. */
  readonly lastGood: () => LastGood
}

interface LastGood {
  /** By id, with every name that they had. Implicit ones too: a broken route takes none away. */
  readonly routes: ReadonlyMap<string, LastRoute>
  /** The policies that a route used. */
  readonly policies: ReadonlyMap<string, PolicySpec>
}

interface LastRoute {
  readonly route: CompiledRoute
  readonly names: string[]
}

export function openQuarantine(previous: Table | undefined): Quarantine {
  let lastGood: LastGood | undefined
  return { previous, problems: [], lastGood: () => (lastGood ??= indexTable(previous)) }
}

function indexTable(table: Table | undefined): LastGood {
  const routes = new Map<string, LastRoute>()
  const policies = new Map<string, PolicySpec>()
  for (const [name, route] of table?.routes ?? []) {
    policies.set(route.policyId, route.policy)
    const known = routes.get(route.id)
    if (known) known.names.push(name)
    else routes.set(route.id, { route, names: [name] })
  }
  return { routes, policies }
}

/** A route of an older table over the backends of the new one; those that are gone fall out. */
export function moveRoute(
  route: CompiledRoute,
  backendById: ReadonlyMap<string, CompiledBackend>,
): CompiledRoute {
  const tiers = route.tiers.map((tier) =>
    withTargets(tier, (target) => {
      const backend = backendById.get(target.backend.id)
      return backend?.spec.enabled ? { ...target, backend } : undefined
    }),
  )
  return { ...route, tiers }
}
