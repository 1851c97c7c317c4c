import { match } from './compile.ts'
import { type CompiledKey, mayUse } from './keys.ts'
import { type CompiledRoute, type Table } from './table.ts'

/** Why a request would not go where it went. */
export const REROUTED = {
  model_unknown: 'no route and no backend has the model any more',
  key_missing: 'it showed no key, and one would be needed',
  key_gone: 'its key would be gone or disabled',
  key_not_allowed: 'its key would not be allowed to use the model',
  backend_gone: 'its backend would take no requests of the route any more',
  another_tier: 'its backend would be in another tier',
  another_model: 'its backend would be asked for another model',
  another_strategy: 'another strategy would choose; it may go elsewhere',
  share_changed: 'the share of its backend would be another; it may go elsewhere',
  model_found: 'there was no such model; now there would be',
} as const
export type RerouteReason = keyof typeof REROUTED

/** By these a request only may go elsewhere, by chance or turn. */
const UNCERTAIN: ReadonlySet<RerouteReason> = new Set(['another_strategy', 'share_changed'])
/** A share that changes by less is not worth a line. */
const SHARE_CHANGE_MIN = 0.05
const EXAMPLES_MAX = 3

/** What is asked of a recorded request. */
export interface PlannedRequest {
  readonly requestId: string
  /** As the client wrote it. */
  readonly model: string | null
  readonly key: string | null
  /** Of its last attempt. */
  readonly backend: string | null
}

export interface RerouteGroup {
  /** The route's id now, or under the change where there is none now. */
  readonly route: string
  readonly reason: RerouteReason
  /** Whether each of them would go elsewhere, or only some may. */
  readonly certain: boolean
  readonly requests: number
  readonly examples: readonly string[]
}

interface Tables {
  readonly before: Table
  readonly after: Table
}

/** Which requests would go elsewhere under another table, by route and reason, most first. */
export function reroute(
  requests: readonly PlannedRequest[],
  tables: Tables,
): readonly RerouteGroup[] {
  const keys = { before: keysById(tables.before), after: keysById(tables.after) }
  const groups = new Map<string, RerouteGroup & { requests: number; examples: string[] }>()
  for (const request of requests) {
    const found = rerouted(request, { ...tables, keys })
    if (!found) continue
    const name = `${found.reason}\n${found.route}`
    const certain = !UNCERTAIN.has(found.reason)
    const group = groups.get(name) ?? { ...found, certain, requests: 0, examples: [] }
    groups.set(name, group)
    group.requests += 1
    if (group.examples.length < EXAMPLES_MAX) group.examples.push(request.requestId)
  }
  return [...groups.values()].sort((one, other) => other.requests - one.requests)
}

type Keys = ReadonlyMap<string, CompiledKey>
interface Known extends Tables {
  readonly keys: { readonly before: Keys; readonly after: Keys }
}
type Found = Pick<RerouteGroup, 'route' | 'reason'>

function keysById({ keys }: Table): Keys {
  return new Map([...keys.values()].map((key) => [key.id, key]))
}

function rerouted(request: PlannedRequest, known: Known): Found | undefined {
  const { model, backend } = request
  if (model === null) return undefined
  const [old, now] = [match(known.before, model), match(known.after, model)]
  if (!old) return now && { route: now.id, reason: 'model_found' }
  const route = old.id
  if (!now) return { route, reason: 'model_unknown' }
  const reason =
    keyReason(request, now, known) ?? (backend === null ? undefined : moved(backend, old, now))
  return reason && { route, reason }
}

function keyReason(
  { key: id, model }: PlannedRequest,
  route: CompiledRoute,
  { before, after, keys }: Known,
): RerouteReason | undefined {
  if (id === null) return after.blocking && !before.blocking ? 'key_missing' : undefined
  const [old, now] = [keys.before.get(id), keys.after.get(id)]
  if (!old) return undefined
  if (!now) return 'key_gone'
  return mayUse(now, route, model ?? '') ? undefined : 'key_not_allowed'
}

function moved(
  backend: string,
  before: CompiledRoute,
  after: CompiledRoute,
): RerouteReason | undefined {
  const [old, now] = [placeOf(before, backend), placeOf(after, backend)]
  // Gone already before the change.
  if (!old) return undefined
  if (!now) return 'backend_gone'
  if (now.tier !== old.tier) return 'another_tier'
  if (now.model !== old.model) return 'another_model'
  if (before.policy.strategy !== after.policy.strategy) return 'another_strategy'
  return Math.abs(now.share - old.share) > SHARE_CHANGE_MIN ? 'share_changed' : undefined
}

/** The first tier that gives the backend requests, and its share of them where all are up. */
function placeOf({ tiers }: CompiledRoute, backend: string) {
  for (const [tier, { targets }] of tiers.entries()) {
    const own = targets.filter((target) => target.backend.id === backend && target.weight > 0)
    const [first] = own
    if (!first) continue
    const sum = (all: typeof targets) => all.reduce((weight, target) => weight + target.weight, 0)
    return { tier, model: first.model, share: sum(own) / sum(targets) }
  }
  return undefined
}
