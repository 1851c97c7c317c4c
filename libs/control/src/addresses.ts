import {
  canonicalJson,
  DEFAULT_SETTINGS,
  hostProblem,
  letsNothingThrough,
  refuse,
  SETTINGS_ID,
  type BackendSpec,
  type Draft,
  type FieldProblem,
  type NetworkSpec,
  type Refusal,
  type SettingsSpec,
  type Snapshot,
  type Spec,
} from '@signalbox/model'
import { allIn, specIn, storedIn, type View } from './view.ts'

/**
 * Why a backend may not have the address in its url. One that is stored already and stays is let
 * be: it was written when it was allowed, and nobody connects to it now.
 */
export function addressProblem(view: View, id: string, spec: BackendSpec): Refusal | undefined {
  const stored = storedIn(view, 'backend', id)?.spec as BackendSpec | null | undefined
  if (stored?.url === spec.url) return undefined
  const problem = hostProblem(hostOf(spec), networkOf(specIn(view, 'settings', SETTINGS_ID)))
  if (problem === undefined) return undefined
  const errors = [{ path: 'spec.url', message: problem }]
  return refuse('address_not_allowed', `backend ${id}: ${problem}`, { errors })
}

/** Why the settings may not be these: a backend has an address that they would shut out. */
export function shutOutProblem(view: View, spec: Spec | null): Refusal | undefined {
  const network = networkOf(spec)
  const before = networkOf(storedIn(view, 'settings', SETTINGS_ID)?.spec ?? null)
  if (canonicalJson(network) === canonicalJson(before)) return undefined
  for (const [id, backend] of allIn(view, 'backend')) {
    const host = hostOf(backend)
    const problem = hostProblem(host, network)
    // What was shut out before is no news.
    if (problem === undefined || hostProblem(host, before) !== undefined) continue
    const errors = [{ path: 'spec.network.allow', message: `backend ${id}: ${problem}` }]
    return refuse('address_not_allowed', `backend ${id}: ${problem}`, { errors })
  }
  return undefined
}

/**
 * Why a change needs the role admin: it lets backends be where they might not be before. Whoever
 * writes backends would otherwise be bound by nothing but their own word.
 */
export function widensNetwork(drafts: readonly Draft[], now: Snapshot): string | undefined {
  const draft = drafts.find(({ resource }) => resource === 'settings')
  if (!draft) return undefined
  const before = networkOf(now.settings.get(SETTINGS_ID)?.spec ?? null)
  const more = networkOf(draft.spec).allow.find((one) => !before.allow.includes(one))
  return more === undefined ? undefined : `backends may be in ${more}`
}

/** What of `network.allow` could never let anything through, but for what is stored already. */
export function allowProblems(spec: Spec, before: Spec | null): readonly FieldProblem[] {
  const stored = networkOf(before).allow as readonly string[]
  return networkOf(spec).allow.flatMap((one, index) => {
    if (stored.includes(one) || !letsNothingThrough(one)) return []
    const message = `${one} lets nothing through: write the network of IPv4 that it stands for`
    return [{ path: `spec.network.allow.${index}`, message }]
  })
}

function hostOf({ url }: BackendSpec): string {
  return new URL(url).hostname
}

/** Settings that are too old to have it have the standard. */
function networkOf(spec: Spec | null): NetworkSpec {
  const settings = spec as Partial<SettingsSpec> | null
  return settings?.network ?? DEFAULT_SETTINGS.network
}
