import { type CompiledGroup, type CompiledTarget, type CompiledTier } from './table.ts'
import { type Filter, type PickContext } from './usable.ts'

/** Blind draws before all are walked through instead. */
const DRAWS_MAX = 8

/** A lot for every unit of weight: `sums[i]` is the weight of the first i + 1. */
function openLots(weights: readonly number[]): Float64Array {
  let sum = 0
  return Float64Array.from(weights, (weight) => (sum += weight))
}

/** The first whose sum is over `lot`. */
function ownerOf(sums: Float64Array, lot: number): number {
  let low = 0
  let high = sums.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sums[middle] ?? 0) > lot) high = middle
    else low = middle + 1
  }
  return low
}

/** By lot and by weight, level by level: a group, then one of its targets. */
export function randomly(
  tier: CompiledTier,
  context: PickContext,
  filter: Filter,
): CompiledTarget | undefined {
  const { groups, state } = tier
  const [only] = groups
  if (groups.length === 1 && only) return memberByLot(only, context, filter)
  const sums = (state.lots ??= openLots(groups.map(({ weight }) => weight)))
  const all = sums[sums.length - 1] ?? 0
  for (let draws = 0; draws < DRAWS_MAX; draws++) {
    const group = groups[ownerOf(sums, context.random() * all)]
    const target = group && memberByLot(group, context, filter)
    if (target) return target
  }
  const start = ownerOf(sums, context.random() * all)
  for (let step = 0; step < groups.length; step++) {
    const group = groups[(start + step) % groups.length]
    const target = group && memberByLot(group, context, filter)
    if (target) return target
  }
  return undefined
}

function memberByLot(
  group: CompiledGroup,
  context: PickContext,
  filter: Filter,
): CompiledTarget | undefined {
  const { targets, state } = group
  const [only] = targets
  if (targets.length === 1 && only) return filter(only, context) ? only : undefined
  const sums = (state.lots ??= openLots(targets.map(({ ownWeight }) => ownWeight)))
  const all = sums[sums.length - 1] ?? 0
  // What is refused is drawn anew, so those that can be used keep their shares of each other.
  for (let draws = 0; draws < DRAWS_MAX; draws++) {
    const target = targets[ownerOf(sums, context.random() * all)]
    if (target && filter(target, context)) return target
  }
  return memberOfTheUsable(targets, context, filter)
}

/** Two walks through all: how much weight there is, and whose the lot is. */
function memberOfTheUsable(
  targets: readonly CompiledTarget[],
  context: PickContext,
  filter: Filter,
): CompiledTarget | undefined {
  let weight = 0
  for (const target of targets) if (filter(target, context)) weight += target.ownWeight
  let lot = context.random() * weight
  let last: CompiledTarget | undefined
  for (const target of targets) {
    if (!filter(target, context)) continue
    last = target
    lot -= target.ownWeight
    if (lot < 0) break
  }
  return last
}
