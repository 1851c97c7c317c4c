import { type CompiledBackend, type CompiledRoute, type CompiledTarget } from '@signalbox/routing'
import { DEFAULT_POLICY, DEFAULT_POLICY_ID } from '@signalbox/model'

/** A route to the one backend that has what is asked for: no other can take its place. */
export function routeToOwner(backend: CompiledBackend): CompiledRoute {
  const target = { backend, model: '', weight: 1, ownWeight: 1 }
  return {
    id: `backend:${backend.id}`,
    implicit: true,
    tiers: [tierOf(target)],
    fallbacks: [],
    policyId: DEFAULT_POLICY_ID,
    policy: DEFAULT_POLICY,
  }
}

/** The same route, with nobody but this backend; undefined where it does not serve the model. */
export function narrowed(route: CompiledRoute, backendId: string): CompiledRoute | undefined {
  const target = route.tiers
    .flatMap(({ targets }) => targets)
    .find(({ backend }) => backend.id === backendId)
  return target && { ...route, tiers: [tierOf({ ...target, weight: 1 })], fallbacks: [] }
}

function tierOf(target: CompiledTarget): CompiledRoute['tiers'][0] {
  const groups = [{ weight: 1, targets: [target], state: {} }]
  return { targets: [target], groups, cursor: { next: 0 }, state: {} }
}
