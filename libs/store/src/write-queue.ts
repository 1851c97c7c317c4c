/** Writes that wait in one process at most; each holds the log's lock for a few milliseconds. */
export const WRITES_WAITING_MAX = 1_000

export interface WriteQueue {
  /** Runs the work when all before it is done; undefined where too many wait already. */
  enter<Value>(work: () => Promise<Value>): Promise<Value> | undefined
  /** Settles when nothing waits. */
  idle(): Promise<void>
}

/** One write at a time, in order of arrival, so that an instance contends with one connection. */
export function createWriteQueue(waitingMax = WRITES_WAITING_MAX): WriteQueue {
  let last: Promise<unknown> = Promise.resolve()
  let waiting = 0
  return {
    enter: (work) => {
      if (waiting >= waitingMax) return undefined
      waiting++
      const turn = last.then(work).finally(() => {
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
