import { type PickInputs, type PolicySpec, type Strategy } from '@signalbox/model'
import { noteTurnsOf } from './in-turn.ts'
import { latencyAt } from './latency.ts'
import { pickFromRoute } from './pick.ts'
import { COMPARE_ALL_MAX, DRAWS_MAX } from './least.ts'
import { type CompiledRoute, type CompiledTarget, type CompiledTier } from './table.ts'
import { hasRoom, isUp, type PickContext } from './usable.ts'

/*
 * A pick is a pure function of the table, of what it looks at in it (where round robin stands,
 * whose turn it is), of the live facts of the targets that it looks at, and of the numbers that it
 * draws. So a pick is recorded by noting these, and made again by putting them back and calling
 * the same function (replay.ts). What a strategy looks at is known from how it works: LOOKS has one
 * entry a strategy, and a strategy without one is recorded without inputs.
 */

/** Targets that a record holds facts of; a pick that looked at more is recorded without inputs. */
export const LOOKED_AT_MAX = 64

export interface Recorded {
  readonly target: CompiledTarget | undefined
  /** Null: the strategy has no entry here, or it looked at more than a record holds. */
  readonly inputs: PickInputs | null
}

/** What was there before the pick, and what it did. */
interface Looked {
  readonly tier: CompiledTier
  readonly policy: PolicySpec
  readonly context: PickContext
  readonly cursor: number
  readonly draws: readonly number[]
  /** Place in the tier of what was picked. */
  readonly at: number
}

/** Places in the tier that a pick has looked at. */
type Look = (looked: Looked) => readonly number[] | 'all'

const LOOKS: Readonly<Partial<Record<Strategy, Look>>> = {
  RoundRobin: upToPicked,
  WeightedRoundRobin: () => 'all',
  LeastLatency: comparedAndFallback,
  LeastRequests: compared,
  // Of those that its draws fell on, and in the end of all.
  Random: () => 'all',
}

/** Whether replay() can make picks of this strategy again. */
export function isRecorded(strategy: string): boolean {
  return Object.hasOwn(LOOKS, strategy)
}

/** pickFromRoute(), and what it was decided on. */
export function record(route: CompiledRoute, context: PickContext): Recorded {
  const { policy } = route
  const look = LOOKS[policy.strategy]
  if (!look) return { target: pickFromRoute(route, context), inputs: null }
  const number = firstUsable(route, context)
  const tier = route.tiers[number]
  const before = {
    v: 1,
    strategy: policy.strategy,
    tier: number,
    of: fingerprintOfRoute(route),
  } as const
  if (!tier) {
    const none = unusableOf(route, { upTo: route.tiers.length, context })
    const target = pickFromRoute(route, context)
    return { target, inputs: target ? null : none && { ...before, ...none } }
  }
  const cursor = tier.cursor.next
  const turns = usesTurns(policy) ? turnsOf(tier) : undefined
  const draws: number[] = []
  const during = drawsFrom(policy) ? noting(context, draws) : context
  const target = pickFromRoute(route, during)
  const at = target ? tier.targets.indexOf(target) : -1
  const places = look({ tier, policy, context, cursor, draws, at })
  // A panic, or a backend in slow start, which is passed over by lot: rare, and not noted.
  const isByLot = during.panic || (tier.state.survey?.starting ?? 0) > 0
  if (isByLot || (target && at < 0)) return { target, inputs: null }
  // Too many to copy; it does not matter unless they were used.
  if (turns === 'many' && places === 'all') return { target, inputs: null }
  const facts = factsOf(route, { number, places, context, costs: comparesCosts(policy) })
  const inputs: PickInputs | null = facts && {
    ...before,
    ...(cursor === 0 || !usesCursor(policy) ? {} : { cursor }),
    ...(Array.isArray(turns) ? { turns } : {}),
    ...(draws.length === 0 ? {} : { draws }),
    ...facts,
  }
  return { target, inputs }
}

function usesTurns({ strategy, fallbackStrategy }: PolicySpec): boolean {
  if (strategy === 'LeastLatency') return fallbackStrategy === 'WeightedRoundRobin'
  return strategy === 'WeightedRoundRobin'
}

function usesCursor(policy: PolicySpec): boolean {
  return !usesTurns(policy)
}

function drawsFrom({ strategy }: PolicySpec): boolean {
  return DRAWING.has(strategy)
}
const DRAWING: ReadonlySet<string> = new Set(['LeastLatency', 'LeastRequests', 'Random'])

function comparesCosts({ strategy }: PolicySpec): boolean {
  return strategy === 'LeastLatency' || strategy === 'LeastRequests'
}

function noting(context: PickContext, draws: number[]): PickContext {
  const random = () => {
    const drawn = context.random()
    draws.push(drawn)
    return drawn
  }
  return { ...context, random }
}

/** The tier that pickFromRoute() will pick from; -1: none. Usually one look. */
function firstUsable({ tiers }: CompiledRoute, context: PickContext): number {
  for (let number = 0; number < tiers.length; number++) {
    for (const target of tiers[number]?.targets ?? []) {
      // Not usable(): that draws lots for slow start.
      const live = context.live[target.backend.index]
      if (live && isUp(target, live, context) && hasRoom(target, live)) return number
    }
  }
  return -1
}

type Noted = readonly (readonly number[])[]

function turnsOf(tier: CompiledTier): Noted | 'many' | undefined {
  if (tier.targets.length > LOOKED_AT_MAX) return 'many'
  const turns = noteTurnsOf(tier)
  return turns.every(({ length }) => length === 0) ? undefined : turns
}

/** Round robin walks from its cursor to what it picks. */
function upToPicked({ tier: { targets }, cursor, at }: Looked): readonly number[] {
  const start = cursor % targets.length
  const steps = ((at - start + targets.length) % targets.length) + 1
  return Array.from({ length: steps }, (_, step) => (start + step) % targets.length)
}

/** All of few; of many those drawn. */
function compared({ tier: { targets }, draws }: Looked): readonly number[] | 'all' {
  // Where so many draws were blind, the tier was walked through.
  if (targets.length <= COMPARE_ALL_MAX || draws.length >= DRAWS_MAX) return 'all'
  return [...new Set(draws.map((one) => Math.floor(one * targets.length)))]
}

/** And where nothing was measured, what the fallback looks at. */
function comparedAndFallback(looked: Looked): readonly number[] | 'all' {
  const { tier, policy, context, at } = looked
  const { targets } = tier
  const drawn = compared(looked)
  if (drawn === 'all') return 'all'
  const picked = targets[at]
  const live = picked && context.live[picked.backend.index]
  if (!live || live.samples > 0) return drawn
  if (policy.fallbackStrategy !== 'RoundRobin') return 'all'
  return [...new Set([...drawn, ...upToPicked(looked)])]
}

type Unusable = Pick<PickInputs, 'down' | 'full'>
type Facts = Pick<PickInputs, 'down' | 'full' | 'costs'>

interface FactsAsked {
  /** Of the tier that was picked from. */
  readonly number: number
  readonly places: readonly number[] | 'all'
  readonly context: PickContext
  readonly costs: boolean
}

function factsOf(
  route: CompiledRoute,
  { number, places, context, costs: wanted }: FactsAsked,
): Facts | null {
  const above = number === 0 ? NOTHING : unusableOf(route, { upTo: number, context })
  const targets = route.tiers[number]?.targets ?? []
  const length = places === 'all' ? targets.length : places.length
  if (!above || length > LOOKED_AT_MAX) return null
  const offset = offsetOf(route, number)
  const found = new Unusables(above)
  const costs: [number, number, number | null][] = []
  for (let step = 0; step < length; step++) {
    const place = places === 'all' ? step : (places[step] ?? 0)
    const target = targets[place]
    if (!target) continue
    const can = found.look(target, offset + place, context)
    const live = context.live[target.backend.index]
    if (!wanted || !can || !live) continue
    costs.push([
      offset + place,
      live.inFlight,
      live.samples > 0 ? latencyAt(live, context.nowMs) : null,
    ])
  }
  return { ...found.all(), ...(costs.length > 0 ? { costs } : {}) }
}

const NOTHING: Unusable = {}

/** All targets of the tiers before one: none of them can be used. Null: too many, or one can. */
function unusableOf(
  { tiers }: CompiledRoute,
  { upTo, context }: { readonly upTo: number; readonly context: PickContext },
): Unusable | null {
  const found = new Unusables(NOTHING)
  let place = 0
  for (const { targets } of tiers.slice(0, upTo)) {
    if (place + targets.length > LOOKED_AT_MAX) return null
    for (const target of targets) if (found.look(target, place++, context)) return null
  }
  return found.all()
}

class Unusables {
  #down: number[] | undefined
  #full: number[] | undefined

  constructor({ down, full }: Unusable) {
    this.#down = down && [...down]
    this.#full = full && [...full]
  }

  /** Whether it can be used. That one drains or was tried is known from elsewhere. */
  look(target: CompiledTarget, place: number, context: PickContext): boolean {
    const live = context.live[target.backend.index]
    if (target.weight === 0 || context.tried.includes(target.backend.index)) return false
    if (!live || !isUp(target, live, context)) (this.#down ??= []).push(place)
    else if (!hasRoom(target, live)) (this.#full ??= []).push(place)
    else return true
    return false
  }

  all(): Unusable {
    return {
      ...(this.#down ? { down: this.#down } : {}),
      ...(this.#full ? { full: this.#full } : {}),
    }
  }
}

/** Of a tier's first target: its place among all of the route. */
export function offsetOf({ tiers }: CompiledRoute, number: number): number {
  let offset = 0
  for (let at = 0; at < number; at++) offset += tiers[at]?.targets.length ?? 0
  return offset
}

const fingerprints = new WeakMap<CompiledRoute, number>()
const FNV_OFFSET = 0x811c9dc5
const FNV_PRIME = 0x01000193

/**
 * Of a route's targets and their order (FNV-1a, 32 bits). Worked out once for a route of a table:
 * its tiers never change.
 */
export function fingerprintOfRoute(route: CompiledRoute): number {
  const known = fingerprints.get(route)
  if (known !== undefined) return known
  let hash = FNV_OFFSET
  const add = (text: string) => {
    for (let at = 0; at < text.length; at++) {
      hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME)
    }
  }
  for (const { targets } of route.tiers) {
    add('\n')
    for (const { backend, model, weight } of targets) add(`${backend.id}\t${model}\t${weight}\n`)
  }
  fingerprints.set(route, hash >>> 0)
  return hash >>> 0
}
