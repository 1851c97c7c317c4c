import { type LiveBackend } from './table.ts'

/**
 * Peak EWMA (twitter/finagle p2c/PeakEwma.scala, linkerd2-proxy): an average of latencies that
 * believes bad news at once and good news slowly. With td the time since the last sample and
 * w = e^(-td / DECAY_MS):
 *
 *     sample >= average:  average' = sample
 *     otherwise:          average' = average * w + sample * (1 - w)
 *
 * Where no sample comes, the average fades by the same w: a slow backend that is avoided looks
 * better and better, until one request finds out how it is now.
 */
export const DECAY_MS = 10_000

/** Adds a sample (milliseconds to the first byte) to a backend. `nowMs` is monotonic. */
export function observeLatency(live: LiveBackend, ms: number, nowMs: number): void {
  const average = live.ewmaMs
  if (live.samples === 0 || ms >= average) {
    live.ewmaMs = ms
  } else {
    const w = weightAt(live, nowMs)
    live.ewmaMs = average * w + ms * (1 - w)
  }
  live.ewmaAtMs = nowMs
  live.samples += 1
}

/** The backend's average as it has faded by now, in milliseconds; meaningless without samples. */
export function latencyAt(live: LiveBackend, nowMs: number): number {
  return live.ewmaMs * weightAt(live, nowMs)
}

/** What an answer that is no answer counts as, at least: a quick refusal must not look fast. */
export const PENALTY_MS = 5_000
const PENALTY_MS_MAX = 60_000
const TOO_MANY_REQUESTS = 429
const SERVER_ERROR = 500
const MS_PER_S = 1_000

/**
 * Milliseconds that an answer of this status counts as, at least; 0 where nothing is wrong with it.
 * `retryAfter` is the header: a backend that says when it wants to be asked again is believed, up
 * to a minute. The average fades (see above), so a penalty does too.
 */
export function penaltyMs(status: number, retryAfter?: string): number {
  if (status !== TOO_MANY_REQUESTS && status < SERVER_ERROR) return 0
  const asked = /^\d{1,9}$/.test(retryAfter ?? '') ? Number(retryAfter) * MS_PER_S : PENALTY_MS
  return Math.min(Math.max(asked, MS_PER_S), PENALTY_MS_MAX)
}

function weightAt(live: LiveBackend, nowMs: number): number {
  return Math.exp(-Math.max(0, nowMs - live.ewmaAtMs) / DECAY_MS)
}
