import { type Clock } from '@signalbox/host'
import { DatabaseUnavailable } from './store.ts'

/** Writes that wait in one process at most; each holds the log's lock for a few milliseconds. */
export const WRITES_WAITING_MAX = 1_000
/** Whoever waited longer has mostly gone: while the database is slow, old writes are shed. */
export const WRITE_WAIT_MS = 5_000
const AWAY = 'the database does not answer: a write before this one found out'

export interface WriteQueue {
  /**
   * Runs the work when all before it is done; null, without having run it, where too many wait
   * already or where its turn came too late. DatabaseUnavailable, without having run it, where one
   * that ran meanwhile found that: each would find it out anew, one after another.
   */
  enter<Value>(work: () => Promise<Value>): Promise<Value | null>
  /** Settles when nothing waits. */
  idle(): Promise<void>
}

export interface WriteQueueOptions {
  readonly clock: Clock
  readonly waitingMax?: number
  readonly waitMs?: number
}

/** One write at a time, in order of arrival, so that an instance contends with one connection. */
export function createWriteQueue({
  clock,
  waitingMax = WRITES_WAITING_MAX,
  waitMs = WRITE_WAIT_MS,
}: WriteQueueOptions): WriteQueue {
  let last: Promise<unknown> = Promise.resolve()
  let waiting = 0
  /** How often a write found the database away. */
  let foundAway = 0
  const run = async <Value>(work: () => Promise<Value>): Promise<Value> => {
    try {
      return await work()
    } catch (error) {
      if (error instanceof DatabaseUnavailable) foundAway++
      throw error
    }
  }
  return {
    enter: async (work) => {
      if (waiting >= waitingMax) return null
      waiting++
      const enteredAtMs = clock.monotonicMs()
      const foundAwayBefore = foundAway
      const turn = last
        .then(() => {
          if (foundAway > foundAwayBefore) throw new DatabaseUnavailable(AWAY)
          return clock.monotonicMs() - enteredAtMs > waitMs ? null : run(work)
        })
        .finally(() => {
          waiting--
        })
      last = turn.catch(() => {})
      return turn
    },
    idle: async () => {
      await last
    },
  }
}
