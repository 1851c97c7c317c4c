import { type CompiledGroup, type CompiledTarget, type CompiledTier } from './table.ts'
import {
  nextInTurn,
  nextParked,
  noteTurns,
  openTurns,
  park,
  putTurns,
  takeTurn,
  type Turns,
  unpark,
} from './turns.ts'
import { type Filter, type PickContext } from './usable.ts'

/** Of a parked group, so many targets are looked at before a pick, not all. */
const LOOK_MAX = 8

/** By weight, level by level: whose turn it is among the groups, then among the group's targets. */
export function weightedRoundRobin(
  tier: CompiledTier,
  context: PickContext,
  filter: Filter,
): CompiledTarget | undefined {
  const { groups, state } = tier
  context.watch?.moves(tier, 'turns')
  const [only] = groups
  if (groups.length === 1 && only) return memberInTurn(only, context, filter)
  const turns = (state.turns ??= openTurns(groups.map(({ weight }) => weight)))
  const parked = groups[nextParked(turns)]
  if (parked && mayHave(parked, context, filter)) unpark(turns)
  let everyParked = false
  for (;;) {
    const group = groups[nextInTurn(turns)]
    if (!group) {
      if (everyParked) return undefined
      everyParked = true
      unparkAll(turns)
      continue
    }
    const target = memberInTurn(group, context, filter)
    if (!target) {
      park(turns)
      continue
    }
    takeTurn(turns)
    return target
  }
}

function memberInTurn(
  group: CompiledGroup,
  context: PickContext,
  filter: Filter,
): CompiledTarget | undefined {
  const { targets, state } = group
  const [only] = targets
  if (targets.length === 1 && only) return filter(only, context) ? only : undefined
  const turns = (state.turns ??= openTurns(targets.map(({ ownWeight }) => ownWeight)))
  const parked = targets[nextParked(turns)]
  if (parked && filter(parked, context)) unpark(turns)
  let everyParked = false
  for (;;) {
    const target = targets[nextInTurn(turns)]
    if (!target) {
      if (everyParked) return undefined
      everyParked = true
      unparkAll(turns)
      continue
    }
    if (filter(target, context)) {
      takeTurn(turns)
      return target
    }
    park(turns)
  }
}

/** Where nobody waits, all are looked at once more: somebody may be up again. */
function unparkAll(turns: Turns): void {
  while (nextParked(turns) >= 0) unpark(turns)
}

function mayHave(
  { targets, state: { turns } }: CompiledGroup,
  context: PickContext,
  filter: Filter,
): boolean {
  const [only] = targets
  if (!turns) return only !== undefined && filter(only, context)
  for (let looks = 0; looks < LOOK_MAX && turns.waiting === 0; looks++) {
    const target = targets[nextParked(turns)]
    if (target && filter(target, context)) unpark(turns)
  }
  return turns.waiting > 0
}

/** The turns of a tier and of each of its groups; empty where nobody has had one. */
export function noteTurnsOf({ state, groups }: CompiledTier): readonly (readonly number[])[] {
  return [state, ...groups.map((group) => group.state)].map(({ turns }) =>
    turns ? noteTurns(turns) : [],
  )
}

/** Puts them back; false where they belong to another tier. */
export function putTurnsOf(tier: CompiledTier, noted: readonly (readonly number[])[]): boolean {
  const { groups } = tier
  const states = [
    { state: tier.state, weights: groups.map(({ weight }) => weight) },
    ...groups.map(({ state, targets }) => {
      return { state, weights: targets.map(({ ownWeight }) => ownWeight) }
    }),
  ]
  return states.every(({ state, weights }, at) => {
    delete state.turns
    const own = noted[at] ?? []
    if (own.length === 0) return true
    state.turns = openTurns(weights)
    return putTurns(state.turns, own)
  })
}
