import { slowStartShare } from './breaker.ts'
import { breakerOf } from './model-breakers.ts'
import { type CompiledTier } from './table.ts'
import { hasRoom, isEjected, isUp, type PickContext } from './usable.ts'

/** What is known of a tier as a whole. */
export interface Survey {
  /** Requests in flight at its targets. */
  load: number
  /** Weight of the targets that can be used, and of all. */
  usableWeight: number
  weight: number
  /** Targets of a weight, those of them that are up, and those that are ejected. */
  inService: number
  up: number
  ejected: number
  /** Picks until it is taken again. */
  picksLeft: number
  atMs: number
}

const AGE_MS_MAX = 1_000
/** A survey of n targets serves n >> 3 picks: a pick costs eight targets at most, on average. */
const PICKS_SHIFT = 3

export function openSurvey(): Survey {
  return {
    load: 0,
    usableWeight: 0,
    weight: 0,
    inService: 0,
    up: 0,
    ejected: 0,
    picksLeft: 0,
    atMs: -Infinity,
  }
}

/**
 * The tier as it is now: to the request in tiers of less than 16 targets, in larger ones some picks
 * old, which matters less the more there are.
 */
export function surveyOf(tier: CompiledTier, context: PickContext): Survey {
  const survey = (tier.state.survey ??= openSurvey())
  if (survey.picksLeft > 1 && context.nowMs - survey.atMs < AGE_MS_MAX) {
    context.watch?.surveys(tier, survey, false)
    survey.picksLeft -= 1
    return survey
  }
  take(survey, tier, context)
  context.watch?.surveys(tier, survey, true)
  return survey
}

/** By no lot: a backend in slow start counts with the part of its weight that it gets. */
function take(survey: Survey, tier: CompiledTier, context: PickContext): void {
  survey.load = 0
  survey.usableWeight = 0
  survey.weight = 0
  survey.inService = 0
  survey.up = 0
  survey.ejected = 0
  for (const target of tier.targets) {
    const live = context.live[target.backend.index]
    if (!live || target.weight === 0) continue
    survey.load += live.inFlight
    survey.weight += target.weight
    survey.inService += 1
    if (isEjected(target, live, context)) survey.ejected += 1
    else if (live.eligible) survey.up += 1
    if (!isUp(target, live, context) || !hasRoom(target, live, context)) continue
    const breaker = context.atOnce ? undefined : breakerOf(target, live, context.nowMs)
    const share = breaker ? slowStartShare(breaker, context.nowMs) : 1
    survey.usableWeight += target.weight * share
  }
  survey.picksLeft = tier.targets.length >> PICKS_SHIFT
  survey.atMs = context.nowMs
}
