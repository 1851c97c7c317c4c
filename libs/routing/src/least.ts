import { type CompiledTarget, type CompiledTier } from './table.ts'
import { type Filter, type PickContext } from './usable.ts'

/** Tiers up to this size are compared whole; of larger ones, two targets by lot. */
export const COMPARE_ALL_MAX = 8
/** Blind draws of a usable target before the tier is walked through instead. */
export const DRAWS_MAX = 8

/** What a target would cost; the smallest is taken. */
export interface Costing {
  readonly filter: Filter
  readonly cost: (target: CompiledTarget, context: PickContext) => number
}

/**
 * The target of least cost. Two choices at random are nearly as good as all (Mitzenmacher 2001),
 * read two backends only, and keep many proxies from running after the same one. Where few are
 * there, all are compared: with three targets, two choices would send a third of the requests to
 * the worst.
 */
export function least(
  tier: CompiledTier,
  context: PickContext,
  by: Costing,
): CompiledTarget | undefined {
  const few = tier.targets.length <= COMPARE_ALL_MAX
  return few ? leastOfAll(tier, context, by) : leastOfTwo(tier, context, by)
}

function leastOfAll(
  { targets }: CompiledTier,
  context: PickContext,
  { filter, cost }: Costing,
): CompiledTarget | undefined {
  // From a random place on, so that of equal ones not always the first is taken.
  const start = Math.floor(context.random() * targets.length)
  let best: CompiledTarget | undefined
  for (let step = 0; step < targets.length; step++) {
    const target = targets[(start + step) % targets.length]
    if (!target || !filter(target, context)) continue
    if (!best || cost(target, context) < cost(best, context)) best = target
  }
  return best
}

function leastOfTwo(
  tier: CompiledTier,
  context: PickContext,
  by: Costing,
): CompiledTarget | undefined {
  const first = draw(tier, context, { filter: by.filter, except: -1 })
  const one = tier.targets[first]
  const other = one && tier.targets[draw(tier, context, { filter: by.filter, except: first })]
  if (!one || !other) return one
  return by.cost(other, context) < by.cost(one, context) ? other : one
}

interface Drawing {
  readonly filter: Filter
  /** Index that may not be drawn again. */
  readonly except: number
}

/** Index of a target by lot; -1: there is none. */
function draw(
  { targets }: CompiledTier,
  context: PickContext,
  { filter, except }: Drawing,
): number {
  let at = 0
  for (let tries = 0; tries < DRAWS_MAX; tries++) {
    at = Math.floor(context.random() * targets.length)
    const target = targets[at]
    if (target && at !== except && filter(target, context)) return at
  }
  for (let step = 1; step <= targets.length; step++) {
    const next = (at + step) % targets.length
    const target = targets[next]
    if (target && next !== except && filter(target, context)) return next
  }
  return -1
}
