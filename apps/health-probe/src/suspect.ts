import { type Status } from '@signalbox/model'

/** With fewer targets than this, most of them failing is no sign of the probe's own trouble. */
const TARGETS_MIN = 5
const FAILING_SHARE = 0.8

/**
 * A probe that sees nearly everything fail at once is more likely cut off itself: it then says
 * `unknown` (which is eligible) where it would have said `down`. Where it could not look at all it
 * has seen nothing fail.
 */
export function suspectsItself(statuses: readonly Status[]): boolean {
  const looked = statuses.filter((status) => status.latencyMs !== null)
  const failing = looked.filter((status) => status.error !== null).length
  return looked.length >= TARGETS_MIN && failing > looked.length * FAILING_SHARE
}

export function withoutDowns(statuses: readonly Status[]): readonly Status[] {
  return statuses.map((status) =>
    status.health === 'down' ? { ...status, health: 'unknown' as const } : status,
  )
}
