import { type CompiledTarget, type LiveBackend } from './table.ts'

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
}

export type Filter = (target: CompiledTarget, context: PickContext) => boolean

/** Whether a target can take this request now. */
export function usable(target: CompiledTarget, context: PickContext): boolean {
  const live = context.live[target.backend.index]
  return live !== undefined && isUp(target, live, context) && hasRoom(target, live)
}

/** In service (weight 0 drains), believed healthy, and not tried by this request. */
export function isUp(target: CompiledTarget, live: LiveBackend, context: PickContext): boolean {
  return target.weight > 0 && live.eligible && !context.tried.includes(target.backend.index)
}

/** Whether it has room for one more request. */
export function hasRoom({ backend }: CompiledTarget, { inFlight }: LiveBackend): boolean {
  return inFlight < backend.room
}
