import { type FailureCode, type PolicySpec } from '@signalbox/model'
import { slowStartShare } from './breaker.ts'
import { breakerOf } from './model-breakers.ts'
import { STRATEGY_BY_NAME } from './strategies.ts'
import { surveyOf } from './survey.ts'
import {
  type CompiledRoute,
  type CompiledTarget,
  type CompiledTier,
  type LiveBackend,
} from './table.ts'
import { hasRoom, isUp, type PickContext } from './usable.ts'

const PERCENT = 100

/** One target of a tier by the policy's strategy; undefined where none can be used now. */
export function pick(
  tier: CompiledTier,
  policy: PolicySpec,
  context: PickContext,
): CompiledTarget | undefined {
  context.panic = false
  const { up, ejected, inService } = surveyOf(tier, context)
  // A tier that has nobody at all leaves the request to the next one, as long as there is one.
  const believes = up > 0 || context.desperate === true
  context.panic = believes && ejected > 0 && up * PERCENT < inService * policy.breaker.panicPercent
  return STRATEGY_BY_NAME[policy.strategy](tier, policy, context)
}

/**
 * A target of the first tier that has a usable one; where none has, one that was ejected for
 * failures: better than nobody. Allocates nothing.
 */
export function pickFromRoute(
  route: CompiledRoute,
  context: PickContext,
): CompiledTarget | undefined {
  context.desperate = false
  const target = pickFromTiers(route, context)
  if (target) return target
  const back = context.atOnce ? undefined : whoComesBack(route, context)
  if (back) return back
  context.desperate = true
  return pickFromTiers(route, context)
}

function pickFromTiers(
  { tiers, policy }: CompiledRoute,
  context: PickContext,
): CompiledTarget | undefined {
  for (const tier of tiers) {
    const target = pick(tier, policy, context)
    if (target) return target
  }
  return undefined
}

/** Slow start sent everybody away, and there is nobody else. Rare, so it may allocate. */
function whoComesBack(route: CompiledRoute, context: PickContext): CompiledTarget | undefined {
  const isNew = (target: CompiledTarget) => {
    const live = context.live[target.backend.index]
    const breaker = live && breakerOf(target, live, context.nowMs)
    return breaker !== undefined && slowStartShare(breaker, context.nowMs) < 1
  }
  const some = route.tiers.some(({ targets }) => targets.some(isNew))
  return some ? pickFromTiers(route, { ...context, atOnce: true }) : undefined
}

/** Whether a target of the route could take a request now. Off the hot path; moves nothing. */
export function hasSomebody({ tiers }: CompiledRoute, context: PickContext): boolean {
  const can = (target: CompiledTarget) => {
    const live = context.live[target.backend.index]
    return live !== undefined && isUp(target, live, context) && hasRoom(target, live, context)
  }
  return tiers.some(({ targets }) => targets.some(can))
}

/**
 * Why pickFromRoute() found nothing: `backend_full` where a backend that is up has no room (it may
 * have some in a moment), `no_backend` otherwise. Off the hot path.
 */
export function whyNone(
  route: CompiledRoute,
  context: PickContext,
): Extract<FailureCode, 'backend_full' | 'no_backend'> {
  const full = (target: CompiledTarget) => {
    const live: LiveBackend | undefined = context.live[target.backend.index]
    return live !== undefined && isUp(target, live, context) && !hasRoom(target, live, context)
  }
  return route.tiers.some((tier) => tier.targets.some(full)) ? 'backend_full' : 'no_backend'
}
