import { manualClock } from '@signalbox/testing'
import { DatabaseUnavailable } from './store.ts'
import { createWriteQueue, WRITE_WAIT_MS } from './write-queue.ts'

/** Work that lasts until the test ends it. */
function blocker() {
  let finish = () => {}
  const done = new Promise<void>((resolve) => (finish = resolve))
  return { finish, work: () => done }
}

describe('the write queue', () => {
  const clock = manualClock()

  it('runs one at a time, in order of arrival, also after one that failed', async () => {
    const queue = createWriteQueue({ clock })
    const order: string[] = []
    const first = blocker()
    const all = [
      queue.enter(async () => {
        order.push('first begins')
        await first.work()
        order.push('first ends')
        throw new Error('it failed')
      }),
      queue.enter(async () => order.push('second')),
      queue.enter(async () => order.push('third')),
    ]
    first.finish()
    const outcomes = await Promise.allSettled(all)
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled'])
    expect(order).toEqual(['first begins', 'first ends', 'second', 'third'])
  })

  it('sheds what is over its limit and goes on afterwards', async () => {
    const queue = createWriteQueue({ clock, waitingMax: 1 })
    const first = blocker()
    const running = queue.enter(first.work)
    let ran = false
    expect(await queue.enter(async () => (ran = true))).toBeNull()
    first.finish()
    await running
    expect(ran).toBe(false)
    expect(await queue.enter(async () => 'again')).toBe('again')
  })

  it('sheds what waited too long, without running it', async () => {
    const queue = createWriteQueue({ clock })
    const first = blocker()
    const running = queue.enter(first.work)
    let ran = false
    const late = queue.enter(async () => (ran = true))
    clock.advance(WRITE_WAIT_MS + 1)
    const inTime = queue.enter(async () => 'in time')
    first.finish()
    await running
    expect(await late).toBeNull()
    expect(ran).toBe(false)
    expect(await inTime).toBe('in time')
  })

  it('does not let those who wait find out one by one that the database is away', async () => {
    const queue = createWriteQueue({ clock })
    const first = blocker()
    let ran = false
    const begun = Promise.withResolvers<void>()
    const all = [
      queue.enter(async () => {
        begun.resolve()
        await first.work()
        throw new DatabaseUnavailable('the outcome is unknown')
      }),
      queue.enter(async () => (ran = true)),
      queue.enter(async () => (ran = true)),
    ]
    await begun.promise
    clock.advance(WRITE_WAIT_MS + 1)
    first.finish()
    const reasons = (await Promise.allSettled(all)).map((one) => 'reason' in one && one.reason)
    expect(reasons).toEqual(Array(3).fill(expect.any(DatabaseUnavailable)))
    expect(reasons.map(({ message }) => /unknown/.test(message))).toEqual([true, false, false])
    expect(ran).toBe(false)
    expect(await queue.enter(async () => 'it is back')).toBe('it is back')
  })

  it('is idle once all is done', async () => {
    const queue = createWriteQueue({ clock })
    const only = blocker()
    let finished = false
    void queue.enter(only.work).then(() => (finished = true))
    const idle = queue.idle()
    only.finish()
    await idle
    expect(finished).toBe(true)
  })
})
