import { type AttemptRecord, type PolicySpec } from '@signalbox/model'
import { match } from './compile.ts'
import { ownerOf } from './consistent-hash.ts'
import { fallbackChain } from './fallback.ts'
import { type CompiledKey, mayUse } from './keys.ts'
import { distance, type Place } from './locality.ts'
import { hashes } from './pick-facts.ts'
import { type CompiledRoute, type CompiledTarget, type CompiledTier, type Table } from './table.ts'

/** Why a request would not go where it went. */
export const REROUTED = {
  model_unknown: 'no route and no backend has the model any more',
  key_missing: 'it showed no key, and one would be needed',
  key_gone: 'its key would be gone or disabled',
  key_not_allowed: 'its key would not be allowed to use the model',
  backend_gone: 'its backend would take no requests of the route any more',
  another_route: 'its backend would be asked under another route: by a fallback, or by none',
  earlier_fallback: 'a fallback route would be asked before; it may go there',
  another_tier: 'its backend would be in another tier',
  another_model: 'its backend would be asked for another model',
  key_moved: 'what the policy hashes of it would belong to another backend',
  another_strategy: 'another strategy would choose; it may go elsewhere',
  another_distance: 'its backend would be nearer or farther; it may go elsewhere',
  share_changed: 'the share of its backend would be another; it may go elsewhere',
  model_found: 'there was no such model; now there would be',
} as const
export type RerouteReason = keyof typeof REROUTED

/** By these a request only may go elsewhere, by chance or turn. */
const UNCERTAIN: ReadonlySet<RerouteReason> = new Set([
  'earlier_fallback',
  'another_strategy',
  'another_distance',
  'share_changed',
])
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
  /** What is known of how it was picked. */
  readonly attempts?: readonly Pick<AttemptRecord, 'inputs'>[]
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
  const { model } = request
  if (model === null) return undefined
  const [old, now] = [match(known.before, model), match(known.after, model)]
  if (!old) return now && { route: now.id, reason: 'model_found' }
  const route = old.id
  if (!now) return { route, reason: 'model_unknown' }
  const chains = {
    before: fallbackChain(known.before, old),
    after: fallbackChain(known.after, now),
  }
  const reason = keyReason(request, now, known) ?? moved(request, chains)
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

interface Chains {
  readonly before: readonly CompiledRoute[]
  readonly after: readonly CompiledRoute[]
}

function moved(request: PlannedRequest, { before, after }: Chains): RerouteReason | undefined {
  const { backend } = request
  if (backend === null) return undefined
  const [old, now] = [placeIn(before, backend), placeIn(after, backend)]
  // Gone already before the change.
  if (!old) return undefined
  if (!now) return 'backend_gone'
  const [ids, idsNow] = [before, after].map((chain) => chain.map(({ id }) => id))
  if ((old.at === 0) !== (now.at === 0)) return 'another_route'
  if (now.at > 0 && now.route.id !== old.route.id) return 'another_route'
  if (idsNow?.slice(1, now.at).some((id) => !ids?.includes(id))) return 'earlier_fallback'
  if (now.tier !== old.tier) return 'another_tier'
  if (now.target.model !== old.target.model) return 'another_model'
  if (strategyOf(old.route.policy) !== strategyOf(now.route.policy)) return 'another_strategy'
  return choiceMoved(request, old, now)
}

interface Placed {
  readonly route: CompiledRoute
  /** In the chain of fallbacks, from 0: the route itself. */
  readonly at: number
  readonly tier: number
  readonly whole: CompiledTier
  readonly target: CompiledTarget
}

/** The first route and tier that give the backend requests. */
function placeIn(chain: readonly CompiledRoute[], backend: string): Placed | undefined {
  for (const [at, route] of chain.entries()) {
    for (const [tier, whole] of route.tiers.entries()) {
      const target = whole.targets.find((one) => one.backend.id === backend && one.weight > 0)
      if (target) return { route, at, tier, whole, target }
    }
  }
  return undefined
}

/** All that says how a tier's targets are chosen from. */
function strategyOf(policy: PolicySpec): string {
  const { strategy, hashOn, fallbackStrategy } = policy
  return JSON.stringify([strategy, hashOn, strategy === 'Locality' ? fallbackStrategy : null])
}

/** The same strategy chooses, but from other targets. */
function choiceMoved(
  { attempts = [] }: PlannedRequest,
  old: Placed,
  now: Placed,
): RerouteReason | undefined {
  const { hash, place = {} } = attempts.at(-1)?.inputs ?? {}
  if (hash !== undefined && hashes(now.route.policy)) {
    const [owner, next] = [old, now].map(({ whole }) => ownerOf(whole, hash)?.backend.id)
    // Who was not with the owner of the key had been sent on, as a busy key's requests are.
    return owner === old.target.backend.id && next !== owner ? 'key_moved' : undefined
  }
  if (now.route.policy.strategy === 'Locality') {
    if (distance(now.target, place) !== distance(old.target, place)) return 'another_distance'
  }
  const change = Math.abs(shareOf(now, place) - shareOf(old, place))
  return change > SHARE_CHANGE_MIN ? 'share_changed' : undefined
}

/** Its share of the requests of its tier, or of its level of it, where all are up. */
function shareOf({ route, whole, target }: Placed, place: Place): number {
  const { strategy, fallbackStrategy } = route.policy
  const near = distance(target, place)
  const peers = whole.targets.filter(
    (one) => one.weight > 0 && (strategy !== 'Locality' || distance(one, place) === near),
  )
  const choosing = strategy === 'Locality' ? fallbackStrategy : strategy
  // These two give everybody the same, but for weight 0.
  const evenly = choosing === 'RoundRobin' || choosing === 'LeastLatency'
  const sum = (all: readonly CompiledTarget[]) =>
    all.reduce((weight, one) => weight + (evenly ? 1 : one.weight), 0)
  return sum(peers.filter(({ backend }) => backend.id === target.backend.id)) / sum(peers)
}
