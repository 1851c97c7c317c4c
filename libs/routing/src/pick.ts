import { type FailureCode, type PolicySpec } from '@signalbox/model'
import { slowStartShare } from './breaker.ts'
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
  context.panic = ejected > 0 && up * PERCENT < inService * policy.breaker.panicPercent
  return STRATEGY_BY_NAME[policy.strategy](tier, policy, context)
}

/** A target of the first tier that has a usable one. Allocates nothing. */
export function pickFromRoute(
  route: CompiledRoute,
  context: PickContext,
): CompiledTarget | undefined {
  for (const tier of route.tiers) {
    const target = pick(tier, route.policy, context)
    if (target) return target
  }
  return context.atOnce ? undefined : whoComesBack(route, context)
}

/** Slow start sent everybody away, and there is nobody else. Rare, so it may allocate. */
function whoComesBack(route: CompiledRoute, context: PickContext): CompiledTarget | undefined {
  const isNew = ({ backend }: CompiledTarget) => {
    const breaker = context.live[backend.index]?.breaker
    return breaker !== undefined && slowStartShare(breaker, context.nowMs) < 1
  }
  const some = route.tiers.some(({ targets }) => targets.some(isNew))
  return some ? pickFromRoute(route, { ...context, atOnce: true }) : undefined
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
    return live !== undefined && isUp(target, live, context) && !hasRoom(target, live)
  }
  return route.tiers.some((tier) => tier.targets.some(full)) ? 'backend_full' : 'no_backend'
}
