import { err, type KeptOfTier, ok, type PickInputs, type Result } from '@signalbox/model'
import { type Breaker, openBreaker } from './breaker.ts'
import { openModelBreakers } from './model-breakers.ts'
import { putTurnsOf } from './in-turn.ts'
import { levelsOf } from './locality.ts'
import { pickFromRoute } from './pick.ts'
import { fingerprintOfRoute, isRecorded, LOOKED_AT_MAX } from './record.ts'
import { type Survey } from './survey.ts'
import { type CompiledRoute, type CompiledTarget, type CompiledTier } from './table.ts'
import { type LiveBackend, type Table } from './table.ts'
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

/**
 * The pick of a recording, by the strategy itself. The table must be one that nobody else picks
 * from, compiled from the same revision.
 */
export function replay(
  table: Table,
  route: CompiledRoute,
  inputs: PickInputs | null,
): Result<CompiledTarget | undefined, Inexact> {
  const prepared = prepare(table, route, inputs)
  return prepared.ok ? ok(pickFromRoute(route, prepared.value.context)) : prepared
}

/** Puts everything where it was before the pick. */
export function prepare(
  table: Table,
  route: CompiledRoute,
  inputs: PickInputs | null,
): Result<Prepared, Inexact> {
  const { strategy } = route.policy
  if (!inputs) return err('not_recorded')
  if (!isReadable(inputs)) return err('unknown_version')
  if (!isRecorded(inputs.strategy)) return err('unknown_strategy')
  if (inputs.strategy !== strategy) return err('other_strategy')
  if (inputs.of !== fingerprintOfRoute(route)) return err('other_targets')
  const { hash, place, draws = [], kept = [], tried = [] } = inputs
  for (const tier of route.tiers) forget(tier)
  if (!kept.every((one) => putBack(route, one, place))) return err('unknown_version')
  const targets = route.tiers.flatMap((one) => one.targets)
  let drawn = 0
  const context: PickContext = {
    live: liveOf(table, targets, inputs),
    nowMs: 0,
    random: () => draws[drawn++] ?? 0,
    tried: tried.flatMap((id) => table.backendById.get(id)?.index ?? []),
    hash,
    ...(place ? { place } : {}),
  }
  return ok({ context, looked: lookedAt(route, targets, inputs) })
}

/** A fresh table's. */
function forget(tier: CompiledTier): void {
  tier.cursor.next = 0
  delete tier.state.survey
  delete tier.state.levels
  putTurnsOf(tier, [])
}

/** False where it belongs to another tier than it says. */
function putBack(
  { tiers }: CompiledRoute,
  { tier: number, level, cursor = 0, turns = [], survey }: KeptOfTier,
  place: PickInputs['place'],
): boolean {
  const whole = tiers[number]
  const tier = whole && level !== undefined ? levelsOf(whole, place)[level] : whole
  if (!tier) return false
  tier.cursor.next = cursor
  if (survey) tier.state.survey = surveyFrom(survey)
  return putTurnsOf(tier, turns)
}

function surveyFrom(noted: readonly number[]): Survey {
  const [load = 0, usableWeight = 0, weight = 0, inService = 0, up = 0, ...more] = noted
  const [ejected = 0, picksLeft = 0, ageMs = 0] = more
  return { load, usableWeight, weight, inService, up, ejected, picksLeft, atMs: -ageMs }
}

/** Of those that were not looked at nothing is known, and nothing need be. */
function liveOf(
  { backends }: Table,
  targets: readonly CompiledTarget[],
  inputs: PickInputs,
): LiveBackend[] {
  const { costs = [], down = [], full = [], ejected = [], unreached = [], slow = [] } = inputs
  const live = backends.map(({ id }) => standIn(id))
  const put = (place: number, facts: Partial<LiveBackend>) =>
    Object.assign(live[targets[place]?.backend.index ?? -1] ?? {}, facts)
  for (const place of down) put(place, { eligible: false })
  for (const place of full) put(place, { inFlight: Number.MAX_SAFE_INTEGER })
  for (const [place, inFlight, latencyMs] of costs) {
    put(place, { inFlight, ...(latencyMs === null ? {} : { samples: 1, ewmaMs: latencyMs }) })
  }
  // The same backend may be there for several models, of which one was left alone.
  const breaker = (place: number, facts: Partial<Breaker>) => {
    const target = targets[place]
    const one = target && live[target.backend.index]
    if (!one) return
    const { byModel } = (one.models ??= openModelBreakers())
    byModel.set(target.model, Object.assign(byModel.get(target.model) ?? openBreaker(), facts))
  }
  const open = { open: true, untilMs: Infinity }
  for (const place of ejected) breaker(place, { ...open, cause: 'failures' })
  for (const place of unreached) breaker(place, { ...open, cause: 'connect' })
  // At 0, the moment of a replay, so much of the slow start is over.
  for (const [place, share] of slow) breaker(place, { recoveredMs: -share, slowStartMs: 1 })
  return live
}

/** A backend that is up and idle, and of which nothing was measured. */
export function standIn(id: string): LiveBackend {
  return { id, inFlight: 0, eligible: true, ewmaMs: 0, ewmaAtMs: 0, samples: 0 }
}

/** Small tiers are noted whole; of large ones those that there is something to say of. */
function lookedAt(
  { tiers }: CompiledRoute,
  targets: readonly CompiledTarget[],
  inputs: PickInputs,
): ReadonlySet<CompiledTarget> {
  const { costs = [], down = [], full = [], ejected = [], unreached = [], slow = [] } = inputs
  const places = [...costs, ...slow].map(([place]) => place)
  const known = [...places, ...down, ...full, ...ejected, ...unreached]
  const count = inputs.tiers ?? (inputs.tier < 0 ? tiers.length : inputs.tier + 1)
  const small = tiers.slice(0, count).filter((tier) => tier.targets.length <= LOOKED_AT_MAX)
  return new Set([
    ...small.flatMap((tier) => tier.targets),
    ...known.flatMap((place) => targets[place] ?? []),
  ])
}

/** Whoever may publish may write anything: what is read here is looked at here. */
function isReadable(inputs: PickInputs): boolean {
  const { v, tier, tiers = 0, of, hash = 0, place = {}, kept = [], draws = [], tried = [] } = inputs
  const { costs = [], down = [], full = [], ejected = [], unreached = [], slow = [] } = inputs
  const numbers = [draws, down, full, ejected, unreached]
  return (
    v === 1 &&
    [tier, tiers, of, hash].every(Number.isSafeInteger) &&
    [...numbers, kept, costs, slow, tried].every(Array.isArray) &&
    numbers.every((list) => list.every(Number.isFinite)) &&
    [...costs, ...slow].every((one) => Array.isArray(one) && one.slice(0, 2).every(isCount)) &&
    costs.every(([, , latency]) => latency === null || isCount(latency)) &&
    kept.every(isKept) &&
    typeof place === 'object' &&
    place !== null
  )
}

function isKept(kept: KeptOfTier | null): boolean {
  if (typeof kept !== 'object' || kept === null) return false
  const { tier, level = 0, cursor = 0, turns = [], survey = [] } = kept
  const lists = [turns, survey]
  return (
    [tier, level, cursor].every((one) => Number.isSafeInteger(one) && one >= 0) &&
    lists.every(Array.isArray) &&
    [...survey, ...turns.flat()].every(Number.isFinite)
  )
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}
