import { manualClock } from '@signalbox/testing'
import { createTimerWheel, TICK_MS } from './timer-wheel.ts'

function setUp() {
  const clock = manualClock()
  return { clock, wheel: createTimerWheel(clock) }
}

describe('the timer wheel', () => {
  it('runs an entry once, never before its time and at most one tick behind', () => {
    const { clock, wheel } = setUp()
    for (const delayMs of [0, 1, TICK_MS - 1, TICK_MS, TICK_MS + 1, 7 * TICK_MS + 30]) {
      let runs = 0
      clock.advance(37) // the moments of the entries differ from those of the ticks
      wheel.after(delayMs, () => runs++)
      clock.advance(Math.max(0, delayMs - 1))
      expect(runs).toBe(0)
      clock.advance(TICK_MS + 1)
      expect(runs).toBe(1)
      clock.advance(10 * TICK_MS)
      expect(runs).toBe(1)
    }
  })

  it('does not run what was cancelled, even by an entry of the same tick', () => {
    const { clock, wheel } = setUp()
    const ran: string[] = []
    wheel.after(TICK_MS, () => {
      ran.push('first')
      cancelSecond()
    })
    const cancelSecond = wheel.after(TICK_MS, () => ran.push('second'))
    const cancelThird = wheel.after(TICK_MS, () => ran.push('third'))
    cancelThird()
    cancelThird()
    clock.advance(5 * TICK_MS)
    expect(ran).toEqual(['first'])
  })

  it('runs in order what fell due while nobody could run it', () => {
    const { clock, wheel } = setUp()
    const ran: number[] = []
    for (const ticks of [3, 1, 2]) wheel.after(ticks * TICK_MS, () => ran.push(ticks))
    clock.advance(50 * TICK_MS)
    expect(ran).toEqual([1, 2, 3])
  })

  it('runs an entry that an entry sets', () => {
    const { clock, wheel } = setUp()
    let ran = false
    wheel.after(0, () => wheel.after(0, () => (ran = true)))
    clock.advance(3 * TICK_MS)
    expect(ran).toBe(true)
  })

  it('is one timer of the clock, and none once it is stopped', () => {
    const { clock, wheel } = setUp()
    for (let i = 0; i < 100; i++) wheel.after(i, () => {})
    expect(clock.pending()).toBe(1)
    wheel.stop()
    expect(clock.pending()).toBe(0)
  })
})
