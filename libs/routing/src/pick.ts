import { type FailureCode, type PolicySpec } from '@signalbox/model'
import { STRATEGY_BY_NAME } from './strategies.ts'
import {
  type CompiledRoute,
  type CompiledTarget,
  type CompiledTier,
  type LiveBackend,
} from './table.ts'
import { hasRoom, isUp, type PickContext } from './usable.ts'

/** One target of a tier by the policy's strategy; undefined where none can be used now. */
export function pick(
  tier: CompiledTier,
  policy: PolicySpec,
  context: PickContext,
): CompiledTarget | undefined {
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
  return undefined
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
