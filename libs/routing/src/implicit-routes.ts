import { DEFAULT_POLICY, DEFAULT_POLICY_ID, type PolicySpec, SETTINGS_ID } from '@signalbox/model'
import { type Discovered, type Parts, type Routes } from './compile-routes.ts'
import { type Quarantine } from './quarantine.ts'
import { settingsOf } from './settings.ts'
import { type CompiledBackend } from './table.ts'
import { compileTier } from './tier.ts'

export interface ImplicitPolicy {
  readonly policyId: string
  readonly policy: PolicySpec
}

/** The policy that the settings name; `default` where that one does not exist or compile. */
export function findImplicitPolicy(
  { snapshot, policies }: Parts,
  { problems }: Quarantine,
): ImplicitPolicy {
  const { implicitPolicy: policyId } = settingsOf(snapshot)
  const policy = policies.get(policyId)
  if (policy) return { policyId, policy }
  problems.push({
    ...{ resource: 'settings', id: SETTINGS_ID, code: 'dangling_reference' },
    message: `settings refer to policy ${policyId}, which does not exist or does not compile`,
  })
  const standard = policies.get(DEFAULT_POLICY_ID) ?? DEFAULT_POLICY
  return { policyId: DEFAULT_POLICY_ID, policy: standard }
}

/** Adds a route for every model that an enabled backend serves and no configured route names. */
export function compileImplicitRoutes(
  parts: Parts,
  { routes, reserved }: Routes,
  { policyId, policy }: ImplicitPolicy,
): void {
  const serving = new Map<string, CompiledBackend[]>()
  for (const backend of parts.backends) {
    if (!backend.spec.enabled) continue
    for (const id of modelsOf(backend, parts.discovered)) {
      const others = serving.get(id)
      // A list that names a model twice gives it one target.
      if (others && others.at(-1) !== backend) others.push(backend)
      else if (!others && !reserved.has(id) && !routes.has(id)) serving.set(id, [backend])
    }
  }
  for (const [id, backends] of serving) {
    const tiers = [compileTier([{ model: id, backends, weight: undefined, factor: 1 }])]
    routes.set(id, { id, implicit: true, tiers, fallbacks: [], policyId, policy })
  }
}

const NO_MODELS: readonly string[] = []

function modelsOf({ id, spec }: CompiledBackend, discovered: Discovered): readonly string[] {
  return spec.models === 'discover' ? (discovered.get(id) ?? NO_MODELS) : spec.models
}
