import { systemClock } from './clock.ts'

describe('systemClock', () => {
  it('tells the time of day, and a time that never goes back', () => {
    const [dayMs, ms] = [Date.now(), systemClock.monotonicMs()]
    expect(systemClock.nowMs()).toBeGreaterThanOrEqual(dayMs)
    expect(systemClock.monotonicMs()).toBeGreaterThanOrEqual(ms)
  })

  it('runs once what is due, and in the order of its time', async () => {
    const ran: string[] = []
    await new Promise<void>((resolve) => {
      systemClock.after(20, () => {
        ran.push('late')
        resolve()
      })
      systemClock.after(1, () => ran.push('early'))
    })
    expect(ran).toEqual(['early', 'late'])
  })

  it('runs every period until it is cancelled, which twice is as good as once', async () => {
    let runs = 0
    await new Promise<void>((resolve) => {
      const cancel = systemClock.every(1, () => {
        runs += 1
        if (runs < 3) return
        cancel()
        cancel()
        systemClock.after(20, resolve)
      })
    })
    expect(runs).toBe(3)
  })

  it('does not run what was cancelled before it was due', async () => {
    const ran: string[] = []
    const cancel = systemClock.after(1, () => ran.push('cancelled'))
    cancel()
    await new Promise<void>((resolve) => systemClock.after(20, resolve))
    expect(ran).toEqual([])
  })
})
