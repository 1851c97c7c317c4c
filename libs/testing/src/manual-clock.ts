import { type Cancel, type Clock } from '@signalbox/host'

export interface ManualClock extends Clock {
  /**
   * Moves time on and runs what falls due, in the order of its time; timers of the same time run in
   * the order in which they were set. A timer that a running one sets runs too if it falls due.
   */
  advance(ms: number): void
  /** How many timers wait: zero once everything that was started is stopped. */
  pending(): number
}

interface Timer {
  readonly run: () => void
  readonly periodMs: number | undefined
  readonly order: number
  dueMs: number
}

/** A period of zero would never let time move on. */
const PERIOD_MIN_MS = 1

/** A clock that stands still until a test moves it. Starts at `startMs`, since the epoch. */
export function manualClock(startMs = 1_700_000_000_000): ManualClock {
  let elapsedMs = 0
  let order = 0
  const timers = new Set<Timer>()

  function set(delayMs: number, run: () => void, periodMs?: number): Cancel {
    const timer = { run, periodMs, order: order++, dueMs: elapsedMs + Math.max(0, delayMs) }
    timers.add(timer)
    return () => void timers.delete(timer)
  }

  return {
    nowMs: () => startMs + elapsedMs,
    monotonicMs: () => elapsedMs,
    after: (delayMs, run) => set(delayMs, run),
    every: (periodMs, run) => {
      const period = Math.max(PERIOD_MIN_MS, periodMs)
      return set(period, run, period)
    },
    advance: (ms) => {
      const untilMs = elapsedMs + ms
      for (let next = firstDue(timers, untilMs); next; next = firstDue(timers, untilMs)) {
        elapsedMs = next.dueMs
        if (next.periodMs === undefined) timers.delete(next)
        else next.dueMs += next.periodMs
        next.run()
      }
      elapsedMs = untilMs
    },
    pending: () => timers.size,
  }
}

function firstDue(timers: ReadonlySet<Timer>, untilMs: number): Timer | undefined {
  let first: Timer | undefined
  for (const timer of timers) {
    if (timer.dueMs > untilMs) continue
    const sooner = !first || timer.dueMs < first.dueMs
    if (sooner || (timer.dueMs === first?.dueMs && timer.order < first.order)) first = timer
  }
  return first
}
