import { type Status } from '@signalbox/model'

/** With fewer targets than this, most of them failing is no sign of the probe's own trouble. */
const TARGETS_MIN = 5
const FAILING_SHARE = 0.8

/**
 * A probe that sees nearly everything fail at once is more likely cut off itself: it then says
 * `unknown` (which is eligible, and no vote) where it would have said `down`. Where it could not
 * look at all it has seen nothing fail. Counted as looks end: there may be thousands a second.
 */
export class Suspicion {
  /** Whether the last look at each failed. */
  readonly #failed = new Map<string, boolean>()
  #failing = 0

  saw({ backend, latencyMs, error }: Status): void {
    this.forget(backend)
    if (latencyMs === null) return
    const failed = error !== null
    this.#failed.set(backend, failed)
    if (failed) this.#failing++
  }

  forget(backend: string): void {
    if (this.#failed.get(backend)) this.#failing--
    this.#failed.delete(backend)
  }

  suspects(): boolean {
    const { size } = this.#failed
    return size >= TARGETS_MIN && this.#failing > size * FAILING_SHARE
  }
}

export function withoutDowns(statuses: readonly Status[]): readonly Status[] {
  return statuses.map((status) =>
    status.health === 'down' ? { ...status, health: 'unknown' as const } : status,
  )
}
