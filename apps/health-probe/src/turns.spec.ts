import { setImmediate } from 'node:timers/promises'
import { manualClock } from '@signalbox/testing'
import { ALL_MAX, createTurns, FAST_MAX, SLOW_MS } from './turns.ts'

function begin() {
  const clock = manualClock()
  const turns = createTurns(clock)
  const begun: number[] = []
  const ends: (() => void)[] = []
  const ask = (count: number) => {
    for (let n = 0; n < count; n++) {
      const name = begun.length + n
      turns.run(() => {
        begun.push(name)
        return new Promise((resolve) => ends.push(resolve))
      })
    }
  }
  const endFirst = async (count: number) => {
    for (const end of ends.splice(0, count)) end()
    await setImmediate()
  }
  return { clock, turns, begun, ask, endFirst }
}

describe('turns', () => {
  it('are given at once while few have just begun, without a timer', () => {
    const { clock, begun, ask } = begin()
    ask(FAST_MAX)
    expect(begun).toHaveLength(FAST_MAX)
    expect(clock.pending()).toBe(0)
  })

  it('are given one for one that ends, in order', async () => {
    const { begun, ask, endFirst } = begin()
    ask(FAST_MAX + 3)
    expect(begun).toHaveLength(FAST_MAX)
    await endFirst(2)
    expect(begun).toHaveLength(FAST_MAX + 2)
    await endFirst(2)
    expect(begun).toHaveLength(FAST_MAX + 3)
  })

  it('are not kept back by looks that hang', () => {
    const { clock, begun, ask } = begin()
    ask(3 * FAST_MAX)
    clock.advance(SLOW_MS - 1)
    expect(begun).toHaveLength(FAST_MAX)
    clock.advance(1)
    expect(begun).toHaveLength(2 * FAST_MAX)
    clock.advance(SLOW_MS)
    expect(begun).toHaveLength(3 * FAST_MAX)
    expect(clock.pending()).toBe(0)
  })

  it('are bounded in all, however many hang', async () => {
    const { clock, begun, ask, endFirst } = begin()
    ask(ALL_MAX + 2)
    clock.advance(SLOW_MS * (ALL_MAX / FAST_MAX + 2))
    expect(begun).toHaveLength(ALL_MAX)
    await endFirst(1)
    expect(begun).toHaveLength(ALL_MAX + 1)
  })

  it('end with the probe: what waits begins no more', async () => {
    const { clock, turns, begun, ask, endFirst } = begin()
    ask(FAST_MAX + 5)
    turns.stop()
    await endFirst(FAST_MAX)
    clock.advance(SLOW_MS)
    expect(begun).toHaveLength(FAST_MAX)
    expect(clock.pending()).toBe(0)
  })
})
