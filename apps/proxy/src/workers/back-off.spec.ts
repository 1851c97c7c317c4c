import { afterDeath, NO_BACK_OFF, STEADY_MS } from './back-off.ts'

describe('afterDeath', () => {
  it('replaces the first at once, and those after it later and later up to a bound', () => {
    const delays: number[] = []
    let backOff = NO_BACK_OFF
    for (let death = 0; death < 9; death++) {
      backOff = afterDeath(backOff, 10)
      delays.push(backOff.delayMs)
    }
    expect(delays).toEqual([0, 250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000])
  })

  it('begins anew after a worker that lived', () => {
    const young = afterDeath(afterDeath(NO_BACK_OFF, 10), 10)
    expect(young.delayMs).toBeGreaterThan(0)
    expect(afterDeath(young, STEADY_MS)).toEqual(NO_BACK_OFF)
  })
})
