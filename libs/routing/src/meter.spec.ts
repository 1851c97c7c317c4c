import fc from 'fast-check'
import {
  ask,
  endLease,
  fullInMs,
  isIdle,
  type Meter,
  openMeter,
  remaining,
  setLimit,
  take,
  takenElsewhere,
  waitMs,
} from './meter.ts'

const MINUTE_MS = 60_000

/** Takes one if it may. */
function tryOne(meter: Meter, nowMs: number, units = 1): boolean {
  const may = ask(meter, units, nowMs)
  if (may) take(meter, units)
  return may
}

describe('a meter of requests', () => {
  it('lets a minute of them through at once, then one as each is earned', () => {
    const meter = openMeter('requests', 60, 0)
    const first = Array.from({ length: 100 }, () => tryOne(meter, 0)).filter(Boolean)
    expect(first).toHaveLength(60)
    expect(waitMs(meter, 1, 0)).toBe(1_000)
    expect(tryOne(meter, 999)).toBe(false)
    expect(tryOne(meter, 1_000)).toBe(true)
    expect(tryOne(meter, 1_000)).toBe(false)
  })

  it('says what is left, when the next is there and when it is full, to the millisecond', () => {
    const meter = openMeter('requests', 6, 0)
    for (let n = 0; n < 6; n++) tryOne(meter, 0)
    expect([remaining(meter, 0), waitMs(meter, 1, 0), fullInMs(meter, 0)]).toEqual([
      0,
      10_000,
      MINUTE_MS,
    ])
    expect([remaining(meter, 25_000), waitMs(meter, 1, 25_000)]).toEqual([2, 0])
    expect(waitMs(meter, 4, 25_000)).toBe(15_000)
    expect([remaining(meter, 500_000), fullInMs(meter, 500_000)]).toEqual([6, 0])
  })

  it('never lets through more than a minute and what time has earned, whatever is asked', () => {
    const steps = fc.array(fc.record({ ms: fc.nat(5_000), asked: fc.nat(20) }), { maxLength: 60 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), steps, (limit, all) => {
        const meter = openMeter('requests', limit, 0)
        let nowMs = 0
        let taken = 0
        for (const { ms, asked } of all) {
          nowMs += ms
          for (let n = 0; n < asked; n++) if (tryOne(meter, nowMs)) taken++
          expect(taken).toBeLessThanOrEqual(limit + (nowMs * limit) / MINUTE_MS + 1e-3)
          const wait = waitMs(meter, 1, nowMs)
          expect(ask(meter, 1, nowMs)).toBe(wait === 0)
        }
      }),
    )
  })

  it('lets somebody through at the very time that it named', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), fc.nat(100_000), (limit, atMs) => {
        const meter = openMeter('requests', limit, atMs)
        while (tryOne(meter, atMs));
        expect(tryOne(meter, atMs + waitMs(meter, 1, atMs))).toBe(true)
      }),
    )
  })

  it('keeps what is taken when its limit changes', () => {
    const meter = openMeter('requests', 10, 0)
    for (let n = 0; n < 8; n++) tryOne(meter, 0)
    setLimit(meter, 100)
    expect(remaining(meter, 0)).toBe(92)
    setLimit(meter, 5)
    expect(remaining(meter, 0)).toBe(0)
  })
})

describe('a meter of tokens', () => {
  it('lets one through that is larger than all of it when all is there, and then collects', () => {
    const meter = openMeter('tokens', 1_000, 0)
    expect(tryOne(meter, 0, 3_000)).toBe(true)
    expect(tryOne(meter, 0)).toBe(false)
    expect(waitMs(meter, 1, 0)).toBe(120_060)
  })

  it('is put right by what it was in the end, and forgives what would take too long', () => {
    const meter = openMeter('tokens', 1_000, 0)
    tryOne(meter, 0, 400)
    take(meter, -300)
    expect(remaining(meter, 0)).toBe(900)
    take(meter, 1_000_000)
    expect(waitMs(meter, 1, 0)).toBeLessThan(11 * MINUTE_MS)
  })
})

describe('a meter of slots', () => {
  it('lets so many in at a time, and again as they come out', () => {
    const meter = openMeter('slots', 2, 0)
    expect([tryOne(meter, 0), tryOne(meter, 0), tryOne(meter, 0)]).toEqual([true, true, false])
    take(meter, -1)
    expect([tryOne(meter, 0), tryOne(meter, 0)]).toEqual([true, false])
    expect(isIdle(meter, MINUTE_MS * 60)).toBe(false)
  })

  it('counts those that others hold', () => {
    const meter = openMeter('slots', 3, 0)
    takenElsewhere(meter, 2)
    expect([tryOne(meter, 0), tryOne(meter, 0)]).toEqual([true, false])
  })
})

it('a meter that nobody has used for long is as if it were new', () => {
  const meter = openMeter('requests', 60, 0)
  tryOne(meter, 0)
  for (let n = 0; n < 20; n++) endLease(meter)
  expect([isIdle(meter, 500), isIdle(meter, 2_000)]).toEqual([false, true])
})
