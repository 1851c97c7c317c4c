import { type Snapshot } from '@signalbox/model'
import { affinityOf, type Hashable } from './affinity.ts'
import { slowStartShare } from './breaker.ts'
import { match } from './compile.ts'
import { type Discovered } from './compile-routes.ts'
import { type KeyRefusal, keyRefusal, type Who } from './explain-key.ts'
import { pickFromRoute, whyNone } from './pick.ts'
import { fallbackChain } from './fallback.ts'
import { boundPerWeight, isOver } from './consistent-hash.ts'
import { distance } from './locality.ts'
import { breakerOf } from './model-breakers.ts'
import { type CompiledGroup, type CompiledRoute, type CompiledTarget, type Table } from './table.ts'
import { hasRoom, isEjected, type PickContext, usable } from './usable.ts'

/** Why a target is where it is in a decision. */
export const REASONS = {
  picked: 'takes the request',
  kept: 'could have taken it; the strategy chose another',
  not_looked_at: 'the strategy had chosen before it looked at it',
  later_tier: 'of a later tier, which is used only where no earlier one can',
  weight_zero: 'its weight is 0: it drains',
  disabled: 'the backend is disabled',
  tried: 'this request has tried it already',
  down: 'probes find it down',
  ejected: 'requests failed there: it is left alone for a time',
  recovering: 'it was ejected lately, and gets less than its share for a while',
  over_share: 'it has its share of the requests in flight and a quarter more',
  farther: 'nearer ones have capacity',
  full: 'its connections and their queue, or its concurrency, are full',
} as const
export type Reason = keyof typeof REASONS

export interface Candidate {
  /** The route that it stands in: the one that was found, or a fallback of it. */
  readonly route: string
  /** From 0. */
  readonly tier: number
  readonly backend: string
  /** The name that the backend knows the model by. */
  readonly model: string
  readonly weight: number
  /** Of the weights that can be used in its tier, 0 to 1; what WeightedRoundRobin gives it. */
  readonly share: number
  readonly reason: Reason
}

type Outcome = 'picked' | 'no_backend' | 'backend_full' | 'model_not_found' | KeyRefusal

export interface Explanation {
  readonly model: string
  readonly revision: number
  readonly outcome: Outcome
  readonly picked: Candidate | null
  readonly route: {
    readonly id: string
    /** `implicit`: no route names the model, backends serve it; `fallback`: of a recorded pick. */
    readonly found: 'route' | 'alias' | 'implicit' | 'fallback'
    readonly policy: string
    readonly strategy: string
  } | null
  /** The route that takes the request instead, where the one that was found has nobody. */
  readonly fallback: string | null
  /** Every target that was looked at, in the order of routes and tiers. */
  readonly candidates: readonly Candidate[]
}

export interface Explaining {
  readonly snapshot: Snapshot
  readonly table: Table
  readonly discovered: Discovered
  readonly context: PickContext
  /** Where only of these something is known; otherwise of all. */
  readonly looked?: ReadonlySet<CompiledTarget>
  /** The route that a recorded pick was made for: it alone is looked at, no fallback of it. */
  readonly only?: CompiledRoute
  /** Who asks; where absent, no key is looked at. */
  readonly who?: Who | undefined
  /** What policies hash of the request, each its own; where absent, the context's hash is all. */
  readonly hashable?: Hashable | undefined
}

/**
 * The decision of the hot path for one request, by the same functions, with every target that was
 * looked at and what became of it. The table must be one that nobody else picks from.
 */
export function explain(model: string, explaining: Explaining): Explanation {
  const { table, only } = explaining
  const asked = match(table, model)
  const route = only ?? asked
  const { revision } = table.head
  const found = route && (route === asked ? howFound(route, model) : 'fallback')
  const refusal = keyRefusal(model, asked, explaining)
  if (!route || !found || refusal !== undefined) {
    const outcome = refusal ?? 'model_not_found'
    const about = refusal === 'key_not_allowed' && route && found ? aboutOf(route, found) : null
    return { model, revision, outcome, picked: null, route: about, fallback: null, candidates: [] }
  }
  const context: OwnContext = { ...explaining.context }
  const chain = only ? [only] : fallbackChain(table, route)
  const looks = lookAlong(chain, context, explaining)
  const last = looks.at(-1)
  const candidates = looks.flatMap((one) => one.candidates)
  return {
    model,
    revision,
    outcome: last?.target ? 'picked' : whyNone(route, context),
    picked: candidates.find(({ reason }) => reason === 'picked') ?? null,
    route: aboutOf(route, found),
    fallback: last?.target && last.route !== route ? last.route.id : null,
    candidates,
  }
}

type Found = NonNullable<Explanation['route']>['found']

function howFound(route: CompiledRoute, model: string): Found {
  return route.implicit ? 'implicit' : route.id === model ? 'route' : 'alias'
}

function aboutOf({ id, policyId: policy, policy: { strategy } }: CompiledRoute, found: Found) {
  return { id, found, policy, strategy }
}

/** Of one explanation: each policy hashes what it looks at. */
type OwnContext = PickContext & { hash?: number | undefined }

/** What became of the candidates of each route, up to the first that has somebody. */
function lookAlong(chain: readonly CompiledRoute[], context: OwnContext, explaining: Explaining) {
  const { looked, hashable } = explaining
  const looks = []
  for (const route of chain) {
    if (hashable) context.hash = affinityOf(route.policy, hashable)
    const target = pickFromRoute(route, context)
    const first = route.tiers.findIndex(({ targets }) => target && targets.includes(target))
    const kept = candidatesOf({ route, first, target, context, looked })
    looks.push({ route, target, candidates: [...kept, ...disabledOf(route, explaining)] })
    if (target) break
  }
  return looks
}

interface Decided {
  readonly route: CompiledRoute
  /** The tier that was picked from; -1: none. */
  readonly first: number
  readonly target: CompiledTarget | undefined
  readonly context: PickContext
  readonly looked: ReadonlySet<CompiledTarget> | undefined
}

function candidatesOf(decided: Decided): Candidate[] {
  return decided.route.tiers.flatMap(({ targets, groups }, tier) => {
    const shares = sharesOf(groups, { ...decided.context, atOnce: true })
    return targets.map((target): Candidate => {
      const { backend, model, weight } = target
      const share = shares.get(target) ?? 0
      const reason = reasonOf(target, tier, decided)
      return { route: decided.route.id, tier, backend: backend.id, model, weight, share, reason }
    })
  })
}

/** By weight, level by level, of what can be used. */
function sharesOf(
  groups: readonly CompiledGroup[],
  context: PickContext,
): ReadonlyMap<CompiledTarget, number> {
  const parts = groups.map(({ weight, targets }) => {
    const can = targets.filter((one) => usable(one, context))
    return { weight, can, own: can.reduce((sum, { ownWeight }) => sum + ownWeight, 0) }
  })
  const sum = parts.reduce((all, { weight, own }) => all + (own > 0 ? weight : 0), 0)
  return new Map(
    parts.flatMap(({ weight, can, own }) =>
      can.map((one) => [one, ((weight / sum) * one.ownWeight) / own] as const),
    ),
  )
}

function reasonOf(target: CompiledTarget, tier: number, decided: Decided): Reason {
  const { first, target: picked, context, looked } = decided
  const live = context.live[target.backend.index]
  if (target === picked) return 'picked'
  if (target.weight === 0) return 'weight_zero'
  if (context.tried.includes(target.backend.index)) return 'tried'
  if (!live?.eligible) return 'down'
  if (isEjected(target, live, context)) return 'ejected'
  if (!hasRoom(target, live, context)) return 'full'
  if (tier > first && first >= 0) return 'later_tier'
  if (looked && !looked.has(target)) return 'not_looked_at'
  return strategyReason(target, picked, { ...decided, tier })
}

/** Why the strategy passed over a target that could have taken the request. */
function strategyReason(
  target: CompiledTarget,
  picked: CompiledTarget | undefined,
  { route, tier, context }: Decided & { readonly tier: number },
): Reason {
  const { strategy } = route.policy
  const compiled = route.tiers[tier]
  const { hash, place, nowMs } = context
  const live = context.live[target.backend.index]
  const breaker = live && breakerOf(target, live, nowMs)
  if (breaker && slowStartShare(breaker, nowMs) < 1) return 'recovering'
  if (strategy === 'Locality' && place && picked) {
    if (distance(target, place) > distance(picked, place)) return 'farther'
  }
  const hashes = strategy === 'ConsistentHash' || strategy === 'PrefixAware'
  if (!hashes || hash === undefined || !compiled) return 'kept'
  return isOver(target, boundPerWeight(compiled, context), context) ? 'over_share' : 'kept'
}

/** The compiler leaves disabled backends out of routes; whoever asks why wants to see them. */
function disabledOf(route: CompiledRoute, { snapshot, discovered }: Explaining): Candidate[] {
  const disabled = [...snapshot.backends.values()].filter(({ spec }) => !spec.enabled)
  const of = (tier: number, backend: string, model: string): Candidate => {
    return { route: route.id, tier, backend, model, weight: 0, share: 0, reason: 'disabled' }
  }
  if (route.implicit) {
    return disabled
      .filter(({ id, spec: { models } }) =>
        (models === 'discover' ? (discovered.get(id) ?? []) : models).includes(route.id),
      )
      .map(({ id }) => of(0, id, route.id))
  }
  const spec = snapshot.routes.get(route.id)?.spec
  return (spec?.tiers ?? []).flatMap(({ targets }, tier) =>
    targets.flatMap(({ backend, labels, model = route.id }) =>
      disabled
        .filter(({ id, spec: { labels: own } }) =>
          backend === undefined
            ? Object.entries(labels ?? {}).every(([name, value]) => own[name] === value)
            : backend === id,
        )
        .map(({ id }) => of(tier, id, model)),
    ),
  )
}
