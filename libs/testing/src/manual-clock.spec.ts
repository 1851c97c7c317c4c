import { manualClock } from './manual-clock.ts'

describe('manualClock', () => {
  it('stands still until it is moved, and moves both times alike', () => {
    const clock = manualClock(5_000)
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([5_000, 0])
    clock.advance(30)
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([5_030, 30])
  })

  it('runs what falls due in the order of its time, each at its own time', () => {
    const clock = manualClock()
    const ran: string[] = []
    const note = (name: string) => () => ran.push(`${name}@${clock.monotonicMs()}`)
    clock.after(30, note('c'))
    clock.after(10, note('a'))
    clock.after(30, note('d'))
    clock.every(20, note('b'))
    clock.advance(45)
    expect(ran).toEqual(['a@10', 'b@20', 'c@30', 'd@30', 'b@40'])
  })

  it('runs nothing early', () => {
    const clock = manualClock()
    let ran = 0
    clock.after(10, () => (ran += 1))
    clock.advance(9)
    expect(ran).toBe(0)
    clock.advance(1)
    expect(ran).toBe(1)
    clock.advance(100)
    expect(ran).toBe(1)
  })

  it('runs timers that running timers set, if they fall due', () => {
    const clock = manualClock()
    const ran: number[] = []
    const again = () => {
      ran.push(clock.monotonicMs())
      clock.after(10, again)
    }
    clock.after(10, again)
    clock.advance(35)
    expect(ran).toEqual([10, 20, 30])
  })

  it('runs nothing that was cancelled, also by a timer of the same time', () => {
    const clock = manualClock()
    const ran: string[] = []
    clock.after(10, () => {
      ran.push('first')
      cancel()
    })
    const cancel = clock.after(10, () => ran.push('second'))
    const cancelPeriod = clock.every(10, () => {
      ran.push('period')
      cancelPeriod()
    })
    expect(clock.pending()).toBe(3)
    clock.advance(100)
    expect(ran).toEqual(['first', 'period'])
    expect(clock.pending()).toBe(0)
    cancel()
  })

  it('treats delays of zero and less as due at the next move', () => {
    const clock = manualClock()
    let ran = 0
    clock.after(0, () => (ran += 1))
    clock.after(-5, () => (ran += 1))
    expect(ran).toBe(0)
    clock.advance(0)
    expect(ran).toBe(2)
    expect(clock.monotonicMs()).toBe(0)
  })
})
