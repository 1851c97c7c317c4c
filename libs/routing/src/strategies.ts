import { type PolicySpec, type Strategy } from '@signalbox/model'
import { weightedRoundRobin } from './in-turn.ts'
import { latencyAt } from './latency.ts'
import { type CompiledTarget, type CompiledTier } from './table.ts'
import { usable, type Filter, type PickContext } from './usable.ts'

/** Picks one target that can be used, or undefined. Runs for every attempt: allocates nothing. */
export type PickByStrategy = (
  tier: CompiledTier,
  policy: PolicySpec,
  context: PickContext,
) => CompiledTarget | undefined

/** One entry a strategy; the policy's schema names the keys. */
export const STRATEGY_BY_NAME: Readonly<Record<Strategy, PickByStrategy>> = {
  RoundRobin: (tier, _policy, context) => roundRobin(tier, context, usable),
  WeightedRoundRobin: (tier, _policy, context) => weightedRoundRobin(tier, context, usable),
  LeastLatency: leastLatency,
}

/**
 * The next one after the last picked. The cursor is put behind what was picked, not moved by one:
 * the neighbour of a backend that is down gets no double share.
 */
function roundRobin(
  { targets, cursor }: CompiledTier,
  context: PickContext,
  filter: Filter,
): CompiledTarget | undefined {
  for (let step = 0; step < targets.length; step++) {
    const at = (cursor.next + step) % targets.length
    const target = targets[at]
    if (!target || !filter(target, context)) continue
    cursor.next = at + 1
    return target
  }
  return undefined
}

/** Tiers up to this size are compared whole; of larger ones, two targets by lot. */
export const COMPARE_ALL_MAX = 8
/** Blind draws of a usable target before the tier is walked through instead. */
export const DRAWS_MAX = 8

/**
 * The lowest expected wait: peak EWMA times the requests that would then be in flight. Two choices
 * at random are nearly as good as all (Mitzenmacher 2001), read two backends only, and keep many
 * proxies from running after the same one. Where few are there, all are compared: with three
 * targets, two choices would send a third of the requests to a slow one.
 * A target without samples is looked at first, by one request at a time; where nothing is known of
 * any, and where several are to be looked at, the fallback strategy decides among them.
 */
function leastLatency(
  tier: CompiledTier,
  policy: PolicySpec,
  context: PickContext,
): CompiledTarget | undefined {
  const few = tier.targets.length <= COMPARE_ALL_MAX
  const best = few ? cheapest(tier, context) : cheaperOfTwo(tier, context)
  if (!best) return undefined
  const live = context.live[best.backend.index]
  if (!live || live.samples > 0) return best
  const filter = live.inFlight === 0 ? usableUnseen : usableUnsampled
  const byWeight = policy.fallbackStrategy === 'WeightedRoundRobin'
  return byWeight ? weightedRoundRobin(tier, context, filter) : roundRobin(tier, context, filter)
}

function cheapest({ targets }: CompiledTier, context: PickContext): CompiledTarget | undefined {
  // From a random place on, so that of equal ones not always the first is taken.
  const start = Math.floor(context.random() * targets.length)
  let best: CompiledTarget | undefined
  for (let step = 0; step < targets.length; step++) {
    const target = targets[(start + step) % targets.length]
    if (!target || !usable(target, context)) continue
    if (!best || cost(target, context) < cost(best, context)) best = target
  }
  return best
}

function cheaperOfTwo(tier: CompiledTier, context: PickContext): CompiledTarget | undefined {
  const one = draw(tier, context, undefined)
  const other = one && draw(tier, context, one)
  if (!one || !other) return one
  return cost(other, context) < cost(one, context) ? other : one
}

/** A usable target by lot, other than `except`. */
function draw(
  { targets }: CompiledTier,
  context: PickContext,
  except: CompiledTarget | undefined,
): CompiledTarget | undefined {
  let at = 0
  for (let tries = 0; tries < DRAWS_MAX; tries++) {
    at = Math.floor(context.random() * targets.length)
    const target = targets[at]
    if (target && target !== except && usable(target, context)) return target
  }
  for (let step = 1; step <= targets.length; step++) {
    const target = targets[(at + step) % targets.length]
    if (target && target !== except && usable(target, context)) return target
  }
  return undefined
}

const COST_UNSEEN = -1

function cost(target: CompiledTarget, { live, nowMs }: PickContext): number {
  const it = live[target.backend.index]
  if (!it) return Infinity
  if (it.samples > 0) return latencyAt(it, nowMs) * (it.inFlight + 1)
  return it.inFlight === 0 ? COST_UNSEEN : Infinity
}

function usableUnsampled(target: CompiledTarget, context: PickContext): boolean {
  return context.live[target.backend.index]?.samples === 0 && usable(target, context)
}

/** Without a sample and without a request that will bring one. */
function usableUnseen(target: CompiledTarget, context: PickContext): boolean {
  return context.live[target.backend.index]?.inFlight === 0 && usableUnsampled(target, context)
}
