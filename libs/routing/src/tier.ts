import {
  type CompiledBackend,
  type CompiledGroup,
  type CompiledTarget,
  type CompiledTier,
} from './table.ts'

/** A target as it is written, and the backends that it names. */
export interface GivenGroup {
  readonly model: string
  readonly backends: readonly CompiledBackend[]
  /**
   * What the backends share by their own weights. Undefined: what they have together, as it is for
   * one backend that is named, and for all that serve a model.
   */
  readonly weight: number | undefined
  /** Multiplies the backends' own weights where `weight` is undefined. */
  readonly factor: number
}

/**
 * A tier of these groups. Weights count level by level: first among the groups, then among the
 * backends of one group. In one pool, two groups of 7 and 3 would be 7 times 1 against 3 times 4
 * as soon as the second has four replicas.
 */
export function compileTier(given: readonly GivenGroup[]): CompiledTier {
  return tierOf(given.map(compileGroup))
}

export function tierOf(groups: readonly CompiledGroup[]): CompiledTier {
  const targets = groups.flatMap((group) => group.targets)
  return { targets, groups, cursor: { next: 0 }, state: {} }
}

/** The same tier with other targets in it; a group keeps its weight while it has any. */
export function withTargets(
  tier: CompiledTier,
  change: (target: CompiledTarget) => CompiledTarget | undefined,
): CompiledTier {
  const groups = tier.groups.map(({ weight, targets }) => {
    const kept = targets.map(change).filter((target) => target !== undefined)
    return groupOf(weight, kept)
  })
  return tierOf(groups.filter(({ targets }) => targets.length > 0))
}

function compileGroup({ model, backends, weight, factor }: GivenGroup): CompiledGroup {
  const sum = backends.reduce((all, { spec }) => all + spec.weight, 0)
  const targets = backends.map((backend) => {
    return { backend, model, weight: 0, ownWeight: backend.spec.weight }
  })
  return groupOf(sum === 0 ? 0 : (weight ?? factor * sum), targets)
}

function groupOf(weight: number, targets: readonly CompiledTarget[]): CompiledGroup {
  const sum = targets.reduce((all, { ownWeight }) => all + ownWeight, 0)
  const share = (own: number) => (sum === 0 ? 0 : (weight * own) / sum)
  return {
    weight: sum === 0 ? 0 : weight,
    targets: targets.map((target) => ({ ...target, weight: share(target.ownWeight) })),
    state: {},
  }
}
