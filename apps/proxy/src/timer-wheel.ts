import { type Cancel, type Clock } from '@signalbox/host'
import { Bag, type Placed } from './bag.ts'

/** Deadlines of requests are seconds to minutes: a tenth of a second late is early enough. */
export const TICK_MS = 100

export interface TimerWheel {
  /** Runs once, at the first tick after the delay. */
  after(delayMs: number, run: () => void): Cancel
  stop(): void
}

interface Entry extends Placed {
  readonly run: () => void
}

/** One timer of the event loop for all requests; a slot is a tick, an entry sits in one slot. */
export function createTimerWheel(clock: Clock): TimerWheel {
  const slots = new Map<number, Bag<Entry>>()
  const tickOf = (ms: number) => Math.ceil(ms / TICK_MS)
  let done = tickOf(clock.monotonicMs()) - 1

  const stop = clock.every(TICK_MS, () => {
    const now = Math.floor(clock.monotonicMs() / TICK_MS)
    while (done < now) {
      done++
      const due = slots.get(done)
      if (!due) continue
      // Taken out one by one: what one entry cancels in this slot must not run.
      for (let entry = due.take(); entry; entry = due.take()) entry.run()
      slots.delete(done)
    }
  })

  return {
    after: (delayMs, run) => {
      const slot = Math.max(tickOf(clock.monotonicMs() + delayMs), done + 1)
      const entry = { run, place: -1 }
      const others = slots.get(slot) ?? new Bag<Entry>()
      if (others.size === 0) slots.set(slot, others)
      others.add(entry)
      return () => others.remove(entry)
    },
    stop,
  }
}
