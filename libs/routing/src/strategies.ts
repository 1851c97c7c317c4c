import { type FallbackStrategy, type PolicySpec, type Strategy } from '@signalbox/model'
import { randomly } from './by-lot.ts'
import { consistentHash } from './consistent-hash.ts'
import { weightedRoundRobin } from './in-turn.ts'
import { latencyAt } from './latency.ts'
import { type Costing, least } from './least.ts'
import { nearest } from './locality.ts'
import { type CompiledTarget, type CompiledTier } from './table.ts'
import { usable, type Filter, type PickContext } from './usable.ts'

/** Picks one target that can be used, or undefined. Runs for every attempt: allocates nothing. */
export type PickByStrategy = (
  tier: CompiledTier,
  policy: PolicySpec,
  context: PickContext,
) => CompiledTarget | undefined

/** A way of picking that needs no other one beside it. */
export type BasicPick = (
  tier: CompiledTier,
  context: PickContext,
  filter: Filter,
) => CompiledTarget | undefined

const BASIC_BY_NAME: Readonly<Record<FallbackStrategy, BasicPick>> = {
  RoundRobin: roundRobin,
  WeightedRoundRobin: weightedRoundRobin,
  Random: randomly,
  LeastRequests: (tier, context, filter) =>
    least(tier, context, filter === usable ? BY_REQUESTS : { ...BY_REQUESTS, filter }),
}

/** One entry a strategy; the policy's schema names the keys. */
export const STRATEGY_BY_NAME: Readonly<Record<Strategy, PickByStrategy>> = {
  RoundRobin: (tier, _policy, context) => roundRobin(tier, context, usable),
  WeightedRoundRobin: (tier, _policy, context) => weightedRoundRobin(tier, context, usable),
  LeastLatency: leastLatency,
  Random: (tier, _policy, context) => randomly(tier, context, usable),
  LeastRequests: (tier, _policy, context) => least(tier, context, BY_REQUESTS),
  ConsistentHash: byHash,
  // What is hashed is another matter, and the proxy's.
  PrefixAware: byHash,
  Locality: byPlace,
}

function basic({ fallbackStrategy }: PolicySpec): BasicPick {
  return BASIC_BY_NAME[fallbackStrategy]
}

/**
 * The next one after the last picked. The cursor is put behind what was picked, not moved by one:
 * the neighbour of a backend that is down gets no double share.
 */
function roundRobin(
  tier: CompiledTier,
  context: PickContext,
  filter: Filter,
): CompiledTarget | undefined {
  const { targets, cursor } = tier
  context.watch?.moves(tier, 'cursor')
  for (let step = 0; step < targets.length; step++) {
    const at = (cursor.next + step) % targets.length
    const target = targets[at]
    if (!target || !filter(target, context)) continue
    cursor.next = at + 1
    return target
  }
  return undefined
}

/** Requests in flight, this one included, for each unit of weight. */
const BY_REQUESTS: Costing = {
  filter: usable,
  cost: (target, { live }) =>
    ((live[target.backend.index]?.inFlight ?? 0) + 1) / (target.weight || 1),
}

const COST_UNSEEN = -1

/** The expected wait: peak EWMA times the requests that would then be in flight. */
const BY_LATENCY: Costing = {
  filter: usable,
  cost: (target, { live, nowMs }) => {
    const it = live[target.backend.index]
    if (!it) return Infinity
    if (it.samples > 0) return latencyAt(it, nowMs) * (it.inFlight + 1)
    return it.inFlight === 0 ? COST_UNSEEN : Infinity
  },
}

/**
 * The lowest expected wait. A target without samples is looked at first, by one request at a time;
 * where nothing is known of any, and where several are to be looked at, the fallback strategy
 * decides among them.
 */
function leastLatency(
  tier: CompiledTier,
  policy: PolicySpec,
  context: PickContext,
): CompiledTarget | undefined {
  const best = least(tier, context, BY_LATENCY)
  if (!best) return undefined
  const live = context.live[best.backend.index]
  if (!live || live.samples > 0) return best
  return basic(policy)(tier, context, live.inFlight === 0 ? usableUnseen : usableUnsampled)
}

function usableUnsampled(target: CompiledTarget, context: PickContext): boolean {
  context.watch?.looks(target)
  return context.live[target.backend.index]?.samples === 0 && usable(target, context)
}

/** Without a sample and without a request that will bring one. */
function usableUnseen(target: CompiledTarget, context: PickContext): boolean {
  context.watch?.looks(target)
  return context.live[target.backend.index]?.inFlight === 0 && usableUnsampled(target, context)
}

function byHash(
  tier: CompiledTier,
  policy: PolicySpec,
  context: PickContext,
): CompiledTarget | undefined {
  return consistentHash(tier, context) ?? basic(policy)(tier, context, usable)
}

function byPlace(
  tier: CompiledTier,
  policy: PolicySpec,
  context: PickContext,
): CompiledTarget | undefined {
  return nearest(tier, context, basic(policy))
}
