import { openRing, pointAt } from './ring.ts'
import { surveyOf } from './survey.ts'
import { type CompiledTarget, type CompiledTier } from './table.ts'
import { type PickContext, usable } from './usable.ts'

/*
 * Consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam 2017). A key goes to the
 * target of its place on the ring, unless that has LOAD_FACTOR times its share of the requests in
 * flight: then to the next one behind it that has not. A key that everybody uses thus spreads over
 * as many backends as it needs, always the same ones, and no backend is drowned. A backend that
 * is down is passed over in the same way, and gets its own keys back when it is up.
 */
export const LOAD_FACTOR = 1.25
/** So many requests at once are never too many: a session's few parallel calls stay together. */
export const LOAD_FLOOR = 4
/** Points that are walked over at most; then nearly all are down or full. */
const STEPS_MAX = 1_024

/** Undefined where the request has nothing that is hashed, or where the walk found nobody. */
export function consistentHash(
  tier: CompiledTier,
  context: PickContext,
): CompiledTarget | undefined {
  const { hash } = context
  if (hash === undefined) return undefined
  const ring = (tier.state.ring ??= openRing(tier.targets))
  const { owners } = ring
  const start = pointAt(ring, hash)
  const steps = Math.min(STEPS_MAX, owners.length)
  const perWeight = boundPerWeight(tier, context)
  for (let step = 0; step < steps; step++) {
    const target = tier.targets[owners[(start + step) % owners.length] ?? 0]
    if (!target || !usable(target, context)) continue
    if (!isOver(target, perWeight, context)) return target
  }
  return undefined
}

/** Whose the key is where all are up and idle. */
export function ownerOf(
  { state, targets }: CompiledTier,
  hash: number,
): CompiledTarget | undefined {
  const ring = (state.ring ??= openRing(targets))
  return targets[ring.owners[pointAt(ring, hash)] ?? -1]
}

/** Whether the target has its share of the load and a quarter more. */
export function isOver(
  { backend, weight }: CompiledTarget,
  perWeight: number,
  { live }: PickContext,
): boolean {
  const inFlight = live[backend.index]?.inFlight ?? 0
  return inFlight >= LOAD_FLOOR && inFlight >= Math.ceil(perWeight * weight)
}

/** Requests in flight that a unit of weight may have. */
export function boundPerWeight(tier: CompiledTier, context: PickContext): number {
  const { load, usableWeight } = surveyOf(tier, context)
  return usableWeight === 0 ? 0 : (LOAD_FACTOR * (load + 1)) / usableWeight
}
