/** Stops a timer. Calling it twice does nothing. */
export type Cancel = () => void

/** Time as an argument. Tests hand in a manual one (libs/testing). */
export interface Clock {
  /** Wall time in ms since the epoch: for people and for records, never for durations. */
  nowMs(): number
  /** Monotonic ms: for durations and deadlines. */
  monotonicMs(): number
  after(delayMs: number, run: () => void): Cancel
  every(periodMs: number, run: () => void): Cancel
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, run) => {
    const timer = setTimeout(run, delayMs)
    return () => clearTimeout(timer)
  },
  every: (periodMs, run) => {
    const timer = setInterval(run, periodMs)
    return () => clearInterval(timer)
  },
}
