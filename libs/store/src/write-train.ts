import { type WriteOutcome, type WriteRequest } from './store.ts'
import { type WriteQueue } from './write-queue.ts'
import { type Settled } from './write.ts'

/*
 * Writes that wait while one commits go together: each is decided and appended as if it were alone,
 * in the order in which they came, and then one commit answers for all. So the cost of taking the
 * log's lock, and of syncing the disk, is shared by those who wait, and a write that nobody waits
 * behind is not delayed. It is the queue that says whose turn it is, and who waited too long.
 */

/** Writes of one transaction: each holds up those before it by a few milliseconds. */
export const TOGETHER_MAX = 16
/** One that looks at more takes its time, and goes alone: nobody before it waits for it. */
const LOOKS_AT_MAX = 64

interface Item {
  readonly request: WriteRequest
  readonly settled: PromiseWithResolvers<WriteOutcome>
  /** It is under way, or done: from then on `settled` says what became of it. */
  taken: boolean
}

export interface WriteTrain {
  /** The outcome; null, without having written, where the queue says so. */
  enter(request: WriteRequest): Promise<WriteOutcome | null>
}

export function createWriteTrain(
  queue: Pick<WriteQueue, 'enter'>,
  write: (requests: readonly WriteRequest[]) => Promise<readonly Settled[]>,
): WriteTrain {
  let waiting: Item[] = []
  const leave = (item: Item) => {
    waiting = waiting.filter((one) => one !== item)
  }
  const run = async (first: Item): Promise<void> => {
    const items = [first, ...companionsOf(first, waiting)]
    for (const item of items) item.taken = true
    waiting = waiting.filter((item) => !item.taken)
    try {
      const all = await write(items.map(({ request }) => request))
      for (const [nth, item] of items.entries()) settle(item, all[nth])
    } catch (error) {
      for (const item of items) settle(item, { ok: false, error })
    }
    // For the queue, which tells those who wait that the database is away.
    await first.settled.promise
  }
  return {
    enter: async (request) => {
      const item: Item = { request, settled: Promise.withResolvers(), taken: false }
      item.settled.promise.catch(() => {})
      waiting.push(item)
      try {
        await queue.enter(() => (item.taken ? Promise.resolve() : run(item)))
      } catch (error) {
        if (!item.taken) {
          leave(item)
          throw error
        }
      }
      if (item.taken) return item.settled.promise
      leave(item)
      return null
    },
  }
}

function settle({ settled }: Item, outcome: Settled | undefined): void {
  if (!outcome) settled.reject(new Error('a write without an outcome'))
  else if (outcome.ok) settled.resolve(outcome.outcome)
  else settled.reject(outcome.error)
}

/** Those who wait right behind it, up to the first that goes alone. */
function companionsOf(first: Item, waiting: readonly Item[]): readonly Item[] {
  if (goesAlone(first)) return []
  const behind = waiting.slice(waiting.indexOf(first) + 1, waiting.indexOf(first) + TOGETHER_MAX)
  const alone = behind.findIndex(goesAlone)
  return alone < 0 ? behind : behind.slice(0, alone)
}

function goesAlone({ request }: Item): boolean {
  const { dryRun, intent, looksAt = [] } = request
  return dryRun || intent.undoesAfter !== undefined || looksAt.length > LOOKS_AT_MAX
}
