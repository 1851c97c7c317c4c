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

/** Below the concurrency limit, and below what its connections and their queue hold. */
export function hasRoom(target: CompiledTarget, live: LiveBackend): boolean {
  const { concurrency, connections, pending } = target.backend.spec.limits
  const { inFlight } = live
  return inFlight < connections + pending && (concurrency === undefined || inFlight < concurrency)
}
