import { type KeptOfTier, type PickInputs, type PolicySpec } from '@signalbox/model'
import { noteTurnsOf } from './in-turn.ts'
import { PLACE_LABELS } from './locality.ts'
import { pickFromRoute } from './pick.ts'
import { type Facts, FactsOf, hashes, type Mutable } from './pick-facts.ts'
import { STRATEGY_BY_NAME } from './strategies.ts'
import { type Survey } from './survey.ts'
import { type CompiledRoute, type CompiledTarget, type CompiledTier } from './table.ts'
import { type PickContext, type Watch } from './usable.ts'

/*
 * A pick is a pure function of the table, of what its tiers keep from the picks before (where round
 * robin stands, whose turn it is, a survey), of the live facts of the targets that it looks at, and
 * of the numbers that it draws. So a pick is recorded by noting these, and made again by putting
 * them back and calling the same function (replay.ts).
 *
 * Nothing here knows how a strategy works: who moves what a tier keeps says so before (Watch), and
 * what is noted then is what was there. The facts of small tiers are noted whole, and only those
 * that are out of the ordinary; of large tiers those of the targets that were looked at. A survey
 * of a large tier reads all of it, so its sums are noted in place of what it read.
 */

/** Targets that a record holds facts of; a pick that looked at more is recorded without inputs. */
export const LOOKED_AT_MAX = 64

export interface Recorded {
  readonly target: CompiledTarget | undefined
  /** Null: it looked at more than a record holds. */
  readonly inputs: PickInputs | null
}

/** Whether this version knows the strategy, and so can make its picks again. */
export function isRecorded(strategy: string): boolean {
  return Object.hasOwn(STRATEGY_BY_NAME, strategy)
}

/** pickFromRoute(), and what it was decided on. */
export function record(route: CompiledRoute, context: PickContext): Recorded {
  const watcher = new Watcher(route, context)
  const watched: PickContext = { ...context, random: watcher.random, watch: watcher }
  const target = pickFromRoute(route, watched)
  // Who asks next why nobody was found sees what the pick has seen.
  context.panic = watched.panic ?? false
  return { target, inputs: watcher.inputs(target) }
}

interface Noted {
  readonly of: CompiledTier
  cursor?: number
  turns?: readonly (readonly number[])[]
  /** Null: taken anew, so that what was there before does not matter. */
  survey?: readonly number[] | null
}

class Watcher implements Watch {
  readonly #route: CompiledRoute
  readonly #context: PickContext
  readonly #draws: number[] = []
  readonly #noted: Noted[] = []
  /** Whether a tier is so large that its targets are not noted whole; and which were looked at. */
  readonly #large: boolean
  #looked: Set<CompiledTarget> | undefined
  #tooMany = false
  /** Tiers that were looked at, from the first on. */
  #tiers = 0
  readonly random = (): number => {
    const drawn = this.#context.random()
    this.#draws.push(drawn)
    return drawn
  }

  constructor(route: CompiledRoute, context: PickContext) {
    this.#route = route
    this.#context = context
    this.#large = route.tiers.some(({ targets }) => targets.length > LOOKED_AT_MAX)
  }

  moves(tier: CompiledTier, what: 'cursor' | 'turns'): void {
    const noted = this.#of(tier)
    if (what === 'cursor') noted.cursor ??= tier.cursor.next
    else if (tier.targets.length > LOOKED_AT_MAX) this.#tooMany = true
    else noted.turns ??= noteTurnsOf(tier)
  }

  surveys(tier: CompiledTier, survey: Survey, taken: boolean): void {
    const number = this.#route.tiers.indexOf(tier)
    if (number >= this.#tiers) this.#tiers = number + 1
    const small = tier.targets.length <= LOOKED_AT_MAX
    // What was there before does not matter, and there is nothing to look for in it.
    if (taken && small && number >= 0) {
      if (survey.picksLeft > 1) this.#of(tier).survey ??= null
      return
    }
    const noted = this.#of(tier)
    if (!taken) noted.survey ??= noteSurvey(survey, this.#context.nowMs - survey.atMs)
    else if (small) {
      noted.survey ??= null
      for (const target of tier.targets) this.looks(target)
    } else if (noted.survey !== undefined) this.#tooMany = true
    // As if it had been taken just before, and this pick had found it.
    else noted.survey = noteSurvey({ ...survey, picksLeft: survey.picksLeft + 1 }, 0)
  }

  looks(target: CompiledTarget): void {
    if (!this.#large) return
    const looked = (this.#looked ??= new Set())
    if (looked.size <= LOOKED_AT_MAX) looked.add(target)
  }

  #of(tier: CompiledTier): Noted {
    for (const noted of this.#noted) if (noted.of === tier) return noted
    const noted: Noted = { of: tier }
    this.#noted.push(noted)
    return noted
  }

  inputs(target: CompiledTarget | undefined): PickInputs | null {
    const { policy, tiers } = this.#route
    const facts = this.#tooMany ? null : this.#facts()
    if (!facts) return null
    const isIn = ({ targets }: CompiledTier) => target !== undefined && targets.includes(target)
    const tier = target && tiers.length === 1 ? 0 : tiers.findIndex(isIn)
    const { tried, hash, live } = this.#context
    const place = placeOf(policy, this.#context)
    const ordinary = tier < 0 ? tiers.length : tier + 1
    // Runs for every attempt: one member after the other costs half of as many spreads.
    const inputs: Mutable<PickInputs> = {
      v: 1,
      strategy: policy.strategy,
      tier,
      of: fingerprintOfRoute(this.#route),
    }
    if (this.#tiers !== ordinary) inputs.tiers = this.#tiers
    const kept = this.#kept()
    if (kept.length > 0) inputs.kept = kept
    if (this.#draws.length > 0) inputs.draws = this.#draws
    if (hash !== undefined && hashes(policy)) inputs.hash = hash
    if (place) inputs.place = place
    if (tried.length > 0) inputs.tried = tried.flatMap((index) => live[index]?.id ?? [])
    return Object.assign(inputs, facts)
  }

  #kept(): readonly KeptOfTier[] {
    const kept: KeptOfTier[] = []
    for (const { of, cursor = 0, turns, survey } of this.#noted) {
      const moved = turns?.some(({ length }) => length > 0)
      if (cursor === 0 && !moved && !survey) continue
      const one: Mutable<KeptOfTier> = this.#nameOf(of)
      if (cursor > 0) one.cursor = cursor
      if (turns && moved) one.turns = turns
      if (survey) one.survey = survey
      kept.push(one)
    }
    return kept
  }

  #nameOf(tier: CompiledTier): Pick<KeptOfTier, 'tier' | 'level'> {
    const { tiers } = this.#route
    const number = tiers.indexOf(tier)
    if (number >= 0) return { tier: number }
    const over = tiers.findIndex(({ state }) => state.levels?.tiers.includes(tier))
    return { tier: over, level: tiers[over]?.state.levels?.tiers.indexOf(tier) ?? 0 }
  }

  /** Null: too many. */
  #facts(): Facts | null {
    const facts = new FactsOf(this.#route.policy, this.#context)
    let offset = 0
    let count = 0
    for (let number = 0; number < this.#tiers; number++) {
      const { targets } = this.#route.tiers[number] ?? NO_TIER
      if (targets.length > LOOKED_AT_MAX) {
        for (const target of this.#looked ?? []) {
          const place = placesOf(this.#route).get(target) ?? -1
          if (place < offset || place >= offset + targets.length) continue
          facts.look(target, place, true)
          count += 1
        }
      } else {
        let place = offset
        for (const target of targets) facts.look(target, place++, false)
        count += targets.length
      }
      if (count > LOOKED_AT_MAX) return null
      offset += targets.length
    }
    return facts.all
  }
}

const NO_TIER = { targets: [] }

function noteSurvey(survey: Survey, ageMs: number): readonly number[] {
  const { load, usableWeight, weight, inService, up, ejected, picksLeft } = survey
  return [load, usableWeight, weight, inService, up, ejected, picksLeft, ageMs]
}

type Place = NonNullable<PickInputs['place']>
/** What a record says of a proxy's labels: worked out once, as they are always the same object. */
const places = new WeakMap<Place, Place>()

function placeOf({ strategy }: PolicySpec, { place }: PickContext): Place | undefined {
  if (strategy !== 'Locality' || !place) return undefined
  let known = places.get(place)
  if (!known) {
    known = Object.fromEntries(
      PLACE_LABELS.flatMap((name) => {
        const value = place[name]
        return value === undefined ? [] : [[name, value]]
      }),
    )
    places.set(place, known)
  }
  return known
}

const placesByRoute = new WeakMap<CompiledRoute, ReadonlyMap<CompiledTarget, number>>()

/** Where each target stands. Made once for a route of a table, and only where it is large. */
function placesOf(route: CompiledRoute): ReadonlyMap<CompiledTarget, number> {
  const known = placesByRoute.get(route)
  if (known) return known
  const targets = route.tiers.flatMap((tier) => tier.targets)
  const made = new Map(targets.map((target, place) => [target, place]))
  placesByRoute.set(route, made)
  return made
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
