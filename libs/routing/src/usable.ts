import { admits, slowStartShare } from './breaker.ts'
import { breakerOf } from './model-breakers.ts'
import { type Survey } from './survey.ts'
import { type CompiledTarget, type CompiledTier, type LiveBackend } from './table.ts'

/** What a pick needs to know of this moment. Callers reuse one; nothing keeps it. */
export interface PickContext {
  /** By CompiledBackend.index. */
  readonly live: readonly (LiveBackend | undefined)[]
  /** Monotonic milliseconds, the clock of observeLatency(). */
  readonly nowMs: number
  /** In [0, 1). */
  readonly random: () => number
  /** Indexes of the backends that this request has tried; few, so a list. */
  readonly tried: readonly number[]
  /** What the policy's hash is taken of, hashed; undefined where the request has no such thing. */
  readonly hash?: number | undefined
  /** Labels of this proxy, always the same object. */
  readonly place?: Readonly<Record<string, string>>
  /** Set by pick(): too little of the tier is up to believe in ejections. */
  panic?: boolean
  /** Set by pickFromRoute(): no tier has anybody who may be believed in. */
  desperate?: boolean
  /** Slow start is passed over: nobody else is there. */
  readonly atOnce?: boolean
  readonly watch?: Watch | undefined
}

/** Is told what a pick looks at, so that it can be recorded: see record.ts. */
export interface Watch {
  /** Before a tier's cursor or turns are looked at and moved. */
  readonly moves: (tier: CompiledTier, what: 'cursor' | 'turns') => void
  /** A survey is used; `taken`: just now, so that all targets of the tier were looked at. */
  readonly surveys: (tier: CompiledTier, survey: Survey, taken: boolean) => void
  readonly looks: (target: CompiledTarget) => void
}

export type Filter = (target: CompiledTarget, context: PickContext) => boolean

/** Whether a target can take this request now. */
export function usable(target: CompiledTarget, context: PickContext): boolean {
  context.watch?.looks(target)
  const live = context.live[target.backend.index]
  if (live === undefined || !isUp(target, live, context)) return false
  if (!hasRoom(target, live, context)) return false
  const breaker = breakerOf(target, live, context.nowMs)
  if (breaker === undefined || context.atOnce) return true
  const share = slowStartShare(breaker, context.nowMs)
  return share === 1 || context.random() < share
}

/** In service (weight 0 drains), believed healthy, not ejected, and not tried by this request. */
export function isUp(target: CompiledTarget, live: LiveBackend, context: PickContext): boolean {
  if (target.weight === 0 || !live.eligible || isEjected(target, live, context)) return false
  return !context.tried.includes(target.backend.index)
}

/** Whether a breaker keeps requests away. In a panic, only from where nobody listens. */
export function isEjected(
  target: CompiledTarget,
  live: LiveBackend,
  { nowMs, panic }: PickContext,
): boolean {
  const breaker = breakerOf(target, live, nowMs)
  if (breaker === undefined || admits(breaker, nowMs)) return false
  return !(panic && breaker.cause === 'failures')
}

/** Whether it has room for one more request, and something left of its limits a minute. */
export function hasRoom(
  { backend }: CompiledTarget,
  { inFlight, spentUntilMs }: LiveBackend,
  { nowMs }: Pick<PickContext, 'nowMs'>,
): boolean {
  return inFlight < backend.room && (spentUntilMs === undefined || spentUntilMs <= nowMs)
}
