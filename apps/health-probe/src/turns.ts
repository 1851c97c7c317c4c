import { type Cancel, type Clock } from '@signalbox/host'

/** Looks that are in their first SLOW_MS at once: what one event loop does without a queue. */
export const FAST_MAX = 128
/** After so long a look waits for its backend; it no longer keeps others from beginning. */
export const SLOW_MS = 100
/** Looks under way at once, however slow: each holds a connection. */
export const ALL_MAX = 4_096

export interface Turns {
  /** Begins the look now, or when its turn comes; it never rejects. */
  run(look: () => Promise<void>): void
  stop(): void
}

/*
 * Ten thousand looks shall not begin in one moment (a start, a peer that leaves), and backends that
 * hang shall not keep the others waiting. So two things are counted: who has just begun, FAST_MAX
 * at most, and all who are under way, ALL_MAX. A look is one of the first for SLOW_MS, however long
 * it goes on. Turns are given in the order in which they were asked for.
 */
export function createTurns(clock: Clock): Turns {
  const waiting: (() => Promise<void>)[] = []
  /** The first of them that waits: the front of an array is dear to move. */
  let next = 0
  /** When each began, oldest first. */
  const fast = new Map<object, number>()
  let underWay = 0
  let cancel: Cancel | null = null

  const age = () => {
    for (const [one, beganMs] of fast) {
      if (clock.monotonicMs() - beganMs < SLOW_MS) return
      fast.delete(one)
    }
  }
  const begin = (look: () => Promise<void>) => {
    const one = {}
    fast.set(one, clock.monotonicMs())
    underWay++
    void look().finally(() => {
      fast.delete(one)
      underWay--
      give()
    })
  }
  const give = () => {
    if (next === waiting.length) return
    age()
    while (next < waiting.length && fast.size < FAST_MAX && underWay < ALL_MAX) {
      const look = waiting[next++]
      if (look) begin(look)
    }
    if (next === waiting.length) waiting.length = next = 0
    const [oldestMs] = fast.values()
    if (next === waiting.length || cancel || oldestMs === undefined) return
    const restMs = Math.max(0, SLOW_MS - (clock.monotonicMs() - oldestMs))
    cancel = clock.after(restMs, () => {
      cancel = null
      give()
    })
  }
  return {
    run: (look) => {
      waiting.push(look)
      give()
    },
    stop: () => {
      cancel?.()
      cancel = null
      waiting.length = next = 0
    },
  }
}
