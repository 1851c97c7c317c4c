import { type Health } from '@signalbox/model'

/*
 * Hysteresis. One probe says little: a network drops packets, a backend pauses for garbage
 * collection. So a backend changes sides only after a run of equal answers, and the run that takes
 * it out may be longer or shorter than the one that brings it back. Any other answer in between
 * starts the count anew, which is what keeps a flapping backend on the side where it is.
 *
 *               first pass                 unhealthyThreshold failures in a row
 *    unknown ---------------> ready ------------------------------------------> down
 *       |                      ^  ^                                              |
 *       |                      |  +----------------------------------------------+
 *       | 503            pass  |          healthyThreshold passes in a row
 *       +-------> warming_up --+
 *            (from every state)
 *
 * Four things are no matter of counting. A backend that nobody has seen yet is usable at once: its
 * first pass makes it ready, and until its first run of failures is complete it stays eligible. A
 * 503 is the backend's own word that it is loading a model: it takes effect at once, and the pass
 * after it, too. But it is believed for WARMING_MS_MAX only; a longer unbroken run of 503s counts
 * as failures, in every state, until another answer ends the run. And a probe that cannot look (it
 * lacks the master key that opens the credential) knows nothing of the backend: `unknown`, whatever
 * it knew before.
 *
 * A run cannot tell a backend that is back from one that comes back to fall again. So who falls for
 * the second time within STABLE_MS stays down for at least HOLD_MIN_MS, however often it passes,
 * and twice as long each further time, up to HOLD_MAX_MS; a first fall is not held at all.
 */

/** How long a backend may go on saying that it loads; large models take minutes from disk. */
export const WARMING_MS_MAX = 600_000

/** A backend that was up for so long falls as for the first time. */
export const STABLE_MS = 600_000
export const HOLD_MIN_MS = 5_000
export const HOLD_MAX_MS = 300_000

/** Between probes while something is being decided: loading, or a run that is not complete. */
export const UNDECIDED_INTERVAL_MS_MAX = 1_000
/** Between probes of a backend that is down: it shall not wait a long interval to be back. */
export const DOWN_INTERVAL_MS_MAX = 5_000
/** Probes of many backends drift apart by this share of the interval, up and down. */
export const PROBE_JITTER = 0.1

/** What one probe found. `warming-up` is the answer 503; `unable`: the probe could not look. */
export type ProbeResult = 'pass' | 'fail' | 'warming-up' | 'unable'

export interface ProbedHealth {
  readonly health: Health
  /** Milliseconds (the probe's clock) at which `health` last changed. */
  readonly sinceMs: number
  /** Passes in a row. */
  readonly passes: number
  /** Failures in a row. */
  readonly failures: number
  /** When the unbroken run of 503s began; null outside one. */
  readonly warmingSinceMs: number | null
  /** How often it went down, each time within STABLE_MS of having come back. */
  readonly falls: number
}

export interface Judged {
  readonly unhealthyThreshold: number
  readonly healthyThreshold: number
  readonly nowMs: number
}

/** A backend that no probe has seen. */
export function unprobed(nowMs: number): ProbedHealth {
  return {
    health: 'unknown',
    sinceMs: nowMs,
    passes: 0,
    failures: 0,
    warmingSinceMs: null,
    falls: 0,
  }
}

/** How long it stays down at least. */
export function holdMs({ falls }: Pick<ProbedHealth, 'falls'>): number {
  return falls < 2 ? 0 : Math.min(HOLD_MAX_MS, HOLD_MIN_MS * 2 ** (falls - 2))
}

/** The state after one more probe. */
export function afterProbe(before: ProbedHealth, result: ProbeResult, by: Judged): ProbedHealth {
  if (result === 'pass') return afterPass(before, by)
  if (result === 'fail') return afterFailure(before, by, null)
  if (result === 'unable') {
    return { ...unprobed(by.nowMs), sinceMs: moved(before, 'unknown', by.nowMs).sinceMs }
  }
  const warmingSinceMs = before.warmingSinceMs ?? by.nowMs
  if (by.nowMs - warmingSinceMs >= WARMING_MS_MAX) return afterFailure(before, by, warmingSinceMs)
  return { ...moved(before, 'warming_up', by.nowMs), passes: 0, failures: 0, warmingSinceMs }
}

function afterPass(before: ProbedHealth, by: Judged): ProbedHealth {
  const passes = before.passes + 1
  const held = by.nowMs - before.sinceMs < holdMs(before)
  const back = before.health !== 'down' || (passes >= by.healthyThreshold && !held)
  const state = moved(before, back ? 'ready' : 'down', by.nowMs)
  return { ...state, passes, failures: 0, warmingSinceMs: null }
}

function afterFailure(
  before: ProbedHealth,
  by: Judged,
  warmingSinceMs: number | null,
): ProbedHealth {
  const failures = before.failures + 1
  const out = failures >= by.unhealthyThreshold
  const state = moved(before, out ? 'down' : before.health, by.nowMs)
  const falls = state === before ? before.falls : fallsAfter(before, by.nowMs)
  return { ...state, passes: 0, failures, warmingSinceMs, falls }
}

function fallsAfter({ falls, sinceMs }: ProbedHealth, nowMs: number): number {
  return nowMs - sinceMs >= STABLE_MS ? 1 : falls + 1
}

function moved(before: ProbedHealth, health: Health, nowMs: number): ProbedHealth {
  return before.health === health ? before : { ...before, health, sinceMs: nowMs }
}

/** Whether a backend in this state may be picked. Nobody having looked is no reason against it. */
export function eligible(health: Health): boolean {
  return health === 'ready' || health === 'unknown'
}

/**
 * Milliseconds until the next probe: the interval, but sooner while a run of answers is not
 * complete or the backend is out. `random` is in [0, 1).
 */
export function nextProbeDelayMs(
  state: ProbedHealth,
  intervalMs: number,
  random: () => number,
): number {
  const jitter = 1 + PROBE_JITTER * (2 * random() - 1)
  return Math.min(intervalMs, slowestMs(state)) * jitter
}

function slowestMs(state: ProbedHealth): number {
  const { health, passes, failures } = state
  if (health === 'warming_up') return UNDECIDED_INTERVAL_MS_MAX
  if (health === 'down') {
    return passes > 0 && holdMs(state) === 0 ? UNDECIDED_INTERVAL_MS_MAX : DOWN_INTERVAL_MS_MAX
  }
  return failures > 0 ? UNDECIDED_INTERVAL_MS_MAX : Infinity
}
