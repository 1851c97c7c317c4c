import { type BasicPick } from './strategies.ts'
import { surveyOf } from './survey.ts'
import { type CompiledTarget, type CompiledTier } from './table.ts'
import { tierOf } from './tier.ts'
import { type PickContext, usable } from './usable.ts'

/*
 * Near ones first. The targets of a tier lie in the proxy's own zone, elsewhere in its region, or
 * elsewhere; labels `zone` and `region` on both sides say so. While enough of the weight of a
 * level can be used, everything goes to that level. Below 1 / HEADROOM of it the rest would be
 * overrun, so it keeps only what it can stand, and the others go a level further (Envoy's
 * overprovisioning factor):
 *
 *     share kept = min(1, HEADROOM x usable weight / weight)
 */
export const HEADROOM = 1.4

/** Labels of the proxy. */
export type Place = Readonly<Record<string, string>>

/** The levels of a tier as they look from one place. */
export interface Levels {
  readonly place: Place
  readonly tiers: readonly CompiledTier[]
}

const NOWHERE: Place = {}
/** All that distance() looks at. */
export const PLACE_LABELS = ['region', 'zone'] as const
const LEVELS = [0, 1, 2]

/** 0 in the same zone, 1 in the same region, 2 elsewhere. */
export function distance({ backend }: CompiledTarget, place: Place): number {
  const { zone, region } = backend.spec.labels
  const otherRegion =
    region !== undefined && place['region'] !== undefined && region !== place['region']
  if (otherRegion) return 2
  if (zone !== undefined && zone === place['zone']) return 0
  return region !== undefined && region === place['region'] ? 1 : 2
}

/** The levels as they look from there, with what they keep. */
export function levelsOf(tier: CompiledTier, place: Place = NOWHERE): readonly CompiledTier[] {
  let { levels } = tier.state
  if (levels?.place !== place) levels = tier.state.levels = openLevels(tier, place)
  return levels.tiers
}

function openLevels(tier: CompiledTier, place: Place): Levels {
  const tiers = LEVELS.map((level) => {
    const groups = tier.groups.map(({ weight, targets }) => ({
      weight,
      // The tier's own targets: who picks one may look for it there.
      targets: targets.filter((target) => distance(target, place) === level),
      state: {},
    }))
    return tierOf(groups.filter(({ targets }) => targets.length > 0))
  })
  return { place, tiers: tiers.filter(({ targets }) => targets.length > 0) }
}

/** A target of the nearest level that can take it, by `basic` within the level. */
export function nearest(
  tier: CompiledTier,
  context: PickContext,
  basic: BasicPick,
): CompiledTarget | undefined {
  const levels = levelsOf(tier, context.place)
  for (const level of levels) {
    const { usableWeight, weight } = surveyOf(level, context)
    const kept = weight === 0 ? 0 : (HEADROOM * usableWeight) / weight
    if (kept < 1 && context.random() >= kept) continue
    const target = basic(level, context, usable)
    if (target) return target
  }
  // Nobody further away could take what was sent there.
  for (const level of levels) {
    const target = basic(level, context, usable)
    if (target) return target
  }
  return undefined
}
