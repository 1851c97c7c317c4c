import { err, ok, type PickInputs, type Result } from '@signalbox/model'
import { putTurnsOf } from './in-turn.ts'
import { pickFromRoute } from './pick.ts'
import { fingerprintOfRoute, isRecorded, offsetOf } from './record.ts'
import { type CompiledRoute, type CompiledTarget, type LiveBackend, type Table } from './table.ts'
import { type PickContext } from './usable.ts'

/** Why a recorded pick cannot be made again exactly. */
export const INEXACT = {
  not_recorded: 'what it was decided on was not recorded: too many targets were looked at',
  unknown_strategy: 'this version cannot record or replay the strategy',
  unknown_version: 'it was recorded by another version, in a form that this one does not know',
  other_strategy: 'the policy has another strategy here than it had in the proxy',
  other_targets: 'the route has other targets here than it had in the proxy',
  other_pick: 'the same inputs lead to another backend here',
} as const
export type Inexact = keyof typeof INEXACT

/** A recorded pick, ready to be made again. */
export interface Prepared {
  readonly context: PickContext
  /** Of these something is known; the pick looked at no others. */
  readonly looked: ReadonlySet<CompiledTarget>
}

export interface Recording {
  readonly inputs: PickInputs | null
  /** Ids of the backends that the request had tried before. */
  readonly tried: readonly string[]
}

/**
 * The pick of a recording, by the strategy itself. The table must be one that nobody else picks
 * from, compiled from the same revision.
 */
export function replay(
  table: Table,
  route: CompiledRoute,
  recording: Recording,
): Result<CompiledTarget | undefined, Inexact> {
  const prepared = prepare(table, route, recording)
  return prepared.ok ? ok(pickFromRoute(route, prepared.value.context)) : prepared
}

/** Puts everything where it was before the pick. */
export function prepare(
  table: Table,
  route: CompiledRoute,
  { inputs, tried }: Recording,
): Result<Prepared, Inexact> {
  const { strategy } = route.policy
  if (!inputs) return err(isRecorded(strategy) ? 'not_recorded' : 'unknown_strategy')
  if (!isReadable(inputs)) return err('unknown_version')
  if (!isRecorded(inputs.strategy)) return err('unknown_strategy')
  if (inputs.strategy !== strategy) return err('other_strategy')
  if (inputs.of !== fingerprintOfRoute(route)) return err('other_targets')
  const tier = route.tiers[inputs.tier]
  if (tier) {
    tier.cursor.next = inputs.cursor ?? 0
    if (!putTurnsOf(tier, inputs.turns ?? [])) return err('unknown_version')
  }
  const targets = route.tiers.flatMap((one) => one.targets)
  const live = liveOf(table, targets, inputs)
  let drawn = 0
  return ok({
    context: {
      live,
      nowMs: 0,
      random: () => inputs.draws?.[drawn++] ?? 0,
      tried: tried.flatMap((id) => table.backendById.get(id)?.index ?? []),
    },
    looked: lookedAt(route, targets, inputs),
  })
}

/** Of those that were not looked at nothing is known, and nothing need be. */
function liveOf(
  { backends }: Table,
  targets: readonly CompiledTarget[],
  { costs = [], down = [], full = [] }: PickInputs,
): LiveBackend[] {
  const live = backends.map(({ id }) => standIn(id))
  const at = (place: number) => live[targets[place]?.backend.index ?? -1]
  for (const place of down) Object.assign(at(place) ?? {}, { eligible: false })
  for (const place of full) Object.assign(at(place) ?? {}, { inFlight: Number.MAX_SAFE_INTEGER })
  for (const [place, inFlight, latencyMs] of costs) {
    const measured = latencyMs === null ? {} : { samples: 1, ewmaMs: latencyMs }
    Object.assign(at(place) ?? {}, { inFlight, ...measured })
  }
  return live
}

/** A backend that is up and idle, and of which nothing was measured. */
export function standIn(id: string): LiveBackend {
  return { id, inFlight: 0, eligible: true, ewmaMs: 0, ewmaAtMs: 0, samples: 0 }
}

const WHOLE: ReadonlySet<string> = new Set(['WeightedRoundRobin', 'Random'])

function lookedAt(
  route: CompiledRoute,
  targets: readonly CompiledTarget[],
  inputs: PickInputs,
): ReadonlySet<CompiledTarget> {
  const { costs = [], down = [], full = [], tier: number } = inputs
  const places = [...costs.map(([place]) => place), ...down, ...full]
  const tier = route.tiers[number]
  // The tiers before it were looked through, and weights are looked at all together.
  const whole = number < 0 ? targets.length : offsetOf(route, number)
  const here = WHOLE.has(inputs.strategy) ? (tier?.targets ?? []) : []
  const known = places.flatMap((place) => targets[place] ?? [])
  return new Set([...targets.slice(0, whole), ...here, ...known])
}

/** Whoever may publish may write anything: what is read here is looked at here. */
function isReadable(inputs: PickInputs): boolean {
  const { v, tier, of, cursor = 0, turns = [], draws = [], costs = [], down = [] } = inputs
  const { full = [] } = inputs
  const lists = [turns, draws, costs, down, full]
  return (
    v === 1 &&
    [tier, of, cursor].every(Number.isSafeInteger) &&
    cursor >= 0 &&
    lists.every(Array.isArray) &&
    [...draws, ...down, ...full].every(Number.isFinite) &&
    turns.every((all) => Array.isArray(all) && all.every(Number.isFinite)) &&
    costs.every((cost) => Array.isArray(cost) && Number.isFinite(cost[0]))
  )
}
