// A fleet of limiters on a bus that is late, loses and repeats, under a manual clock: what is let
// through is compared with what one bucket would have let through.
import { type LeaseReport, type Limits } from '@signalbox/model'
import { seededRandom } from '@signalbox/testing'
import { Admission } from './admission.ts'
import { HEARD_MS, Limiter, SCOPES_MAX } from './limiter.ts'
import { LEASE_MS } from './meter.ts'

const MINUTE_MS = 60_000
const STEP_MS = 10

interface World {
  readonly random: () => number
  readonly planes: { readonly limiter: Limiter; cut: boolean; readonly offset: number }[]
  readonly onTheWay: { readonly atMs: number; readonly to: number; readonly report: LeaseReport }[]
  nowMs: number
  /** Of a hundred messages, so many are lost. */
  lostPercent: number
  latencyMs: number
}

function worldOf(size: number, seed = 1): World {
  const random = seededRandom(seed)
  const planes = Array.from({ length: size }, (_, n) => ({
    limiter: new Limiter(`p${n}/1`),
    cut: false,
    offset: Math.floor((random() * LEASE_MS) / STEP_MS) * STEP_MS,
  }))
  return { random, planes, onTheWay: [], nowMs: 0, lostPercent: 0, latencyMs: 20 }
}

/** One step of time: what has arrived is heard, and whose lease is over says so. */
function step(world: World): void {
  world.nowMs += STEP_MS
  const { nowMs, planes, onTheWay, random } = world
  const due = onTheWay.filter(({ atMs }) => atMs <= nowMs)
  for (const one of due) {
    onTheWay.splice(onTheWay.indexOf(one), 1)
    const plane = planes[one.to]
    if (plane && !plane.cut) plane.limiter.hear(one.report, nowMs)
  }
  for (const { limiter, cut, offset } of planes) {
    if ((nowMs + offset) % LEASE_MS !== 0) continue
    const report = limiter.endLeases(nowMs, cut)
    if (!report) continue
    for (const to of planes.keys()) {
      if (random() * 100 < world.lostPercent) continue
      onTheWay.push({ atMs: nowMs + random() * 2 * world.latencyMs, to, report })
    }
  }
}

const KEY = 'key:k1'

/** How many of these were let through, by plane. Each is over at once. */
function offer(world: World, limits: Limits, perPlane: readonly number[]): number[] {
  return perPlane.map((count, n) => {
    let through = 0
    for (let one = 0; one < count; one++) {
      const admission = new Admission(world.planes[n]?.limiter ?? new Limiter('none'))
      if (admission.enter(KEY, limits, world.nowMs)) continue
      admission.settle(0)
      through++
    }
    return through
  })
}

/** Requests of each plane in a step, at so many a minute for all, split by these weights. */
function load(world: World, perMinute: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((all, one) => all + one, 0)
  return weights.map((weight) => {
    const mean = (perMinute * STEP_MS * weight) / (MINUTE_MS * sum)
    return Math.floor(mean + world.random())
  })
}

interface Course {
  readonly rpm: number
  readonly minutes: number
  readonly overload: number
  readonly weightsAt: (nowMs: number) => readonly number[]
}

/** Let through against what one bucket would have; the largest difference on the way, as well. */
function run(world: World, { rpm, minutes, overload, weightsAt }: Course) {
  let through = 0
  let worst = 0
  const from = world.nowMs
  while (world.nowMs - from < minutes * MINUTE_MS) {
    step(world)
    const counts = load(world, rpm * overload, weightsAt(world.nowMs))
    for (const one of offer(world, { rpm }, counts)) through += one
    worst = Math.max(worst, through - rpm - ((world.nowMs - from) * rpm) / MINUTE_MS)
  }
  const ideal = rpm + rpm * minutes
  return { error: (through - ideal) / ideal, worst: worst / rpm }
}

const EVEN = () => [1, 1, 1, 1]

describe('four proxies at ten times the limit', () => {
  it.each([60, 600, 6_000])('let %d a minute through, within 5 %%', (rpm) => {
    const { error, worst } = run(worldOf(4), { rpm, minutes: 4, overload: 10, weightsAt: EVEN })
    expect(Math.abs(error)).toBeLessThan(0.05)
    expect(worst).toBeLessThan(0.2)
  })

  it('do so wherever the load goes, and goes next', () => {
    const courses: Course['weightsAt'][] = [
      () => [1, 0, 0, 0],
      () => [100, 10, 1, 1],
      (nowMs) => EVEN().map((_, n) => (Math.floor(nowMs / 7_000) % 4 === n ? 1 : 0)),
    ]
    for (const weightsAt of courses) {
      const { error } = run(worldOf(4), { rpm: 600, minutes: 4, overload: 10, weightsAt })
      expect(Math.abs(error)).toBeLessThan(0.05)
    }
  })

  it('do so on a bus that loses every fifth message and is half a second late', () => {
    const world = worldOf(4, 7)
    world.lostPercent = 20
    world.latencyMs = 250
    const { error } = run(world, { rpm: 600, minutes: 4, overload: 10, weightsAt: EVEN })
    expect(Math.abs(error)).toBeLessThan(0.05)
  })

  it('keep to a part each while the bus is gone, and to the whole when it is back', () => {
    const world = worldOf(4)
    run(world, { rpm: 600, minutes: 2, overload: 10, weightsAt: EVEN })
    for (const plane of world.planes) plane.cut = true
    world.onTheWay.length = 0
    const before = world.nowMs
    let through = 0
    while (world.nowMs - before < 5 * MINUTE_MS) {
      step(world)
      for (const one of offer(world, { rpm: 600 }, load(world, 6_000, EVEN()))) through += one
    }
    expect(Math.abs(through / 3_000 - 1)).toBeLessThan(0.05)
    for (const plane of world.planes) plane.cut = false
    through = 0
    const back = world.nowMs
    while (world.nowMs - back < 5 * MINUTE_MS) {
      step(world)
      for (const one of offer(world, { rpm: 600 }, load(world, 6_000, EVEN()))) through += one
    }
    expect(Math.abs(through / 3_000 - 1)).toBeLessThan(0.05)
  })
})

describe('proxies under their limit', () => {
  it('refuse nobody, wherever the load goes', () => {
    const world = worldOf(4)
    let refused = 0
    while (world.nowMs < 3 * MINUTE_MS) {
      step(world)
      const at = Math.floor(world.nowMs / 5_000) % 4
      const counts = load(
        world,
        400,
        EVEN().map((_, n) => (n === at ? 1 : 0)),
      )
      const asked = counts.reduce((sum, one) => sum + one, 0)
      refused += asked - offer(world, { rpm: 600 }, counts).reduce((sum, one) => sum + one, 0)
    }
    expect(refused).toBe(0)
  })

  it('let a minute through at once where it all comes to one of them', () => {
    const world = worldOf(4)
    for (let n = 0; n < 500; n++) step(world)
    expect(offer(world, { rpm: 60 }, [100, 0, 0, 0])).toEqual([60, 0, 0, 0])
    for (let n = 0; n < 50; n++) step(world)
    // The others know of it; half a second has earned nothing whole.
    expect(offer(world, { rpm: 60 }, [0, 5, 5, 5])).toEqual([0, 0, 0, 0])
  })

  it('take back what all of them let through at once before more is let through', () => {
    const world = worldOf(4)
    for (let n = 0; n < 500; n++) step(world)
    const burst = offer(world, { rpm: 60 }, [100, 100, 100, 100])
    expect(burst).toEqual([60, 60, 60, 60])
    const until = world.nowMs + 3 * MINUTE_MS - 1_000
    let through = 0
    while (world.nowMs < until) {
      step(world)
      through += offer(world, { rpm: 60 }, load(world, 600, EVEN())).reduce((sum, n) => sum + n, 0)
    }
    expect(through).toBe(0)
  })
})

describe('slots of a fleet', () => {
  const limits = { concurrency: 10 }

  it('are one number for all, but for what begins in the same moment', () => {
    const world = worldOf(4)
    const inside: { readonly admission: Admission; readonly endMs: number }[] = []
    let most = 0
    let begun = 0
    while (world.nowMs < MINUTE_MS) {
      step(world)
      for (const one of inside.filter(({ endMs }) => endMs <= world.nowMs)) {
        inside.splice(inside.indexOf(one), 1)
        one.admission.settle(0)
      }
      for (const { limiter } of world.planes) {
        if (world.random() > 0.5) continue
        const admission = new Admission(limiter)
        if (admission.enter(KEY, limits, world.nowMs)) continue
        inside.push({ admission, endMs: world.nowMs + 500 + world.random() * 2_000 })
        begun++
      }
      if (world.nowMs > 2_000) most = Math.max(most, inside.length)
    }
    // One over for each of the other proxies, at the most, and never long; and none left unused.
    expect(most).toBeLessThanOrEqual(13)
    expect(begun).toBeGreaterThan(0.85 * ((MINUTE_MS / 1_500) * 10))
  })

  it('come back when the proxy that held them is gone', () => {
    const world = worldOf(2)
    const held = new Admission(world.planes[0]?.limiter ?? new Limiter('none'))
    step(world)
    held.enter(KEY, { concurrency: 1 }, world.nowMs)
    for (let n = 0; n < 200; n++) step(world)
    expect(offer(world, { concurrency: 1 }, [0, 1])).toEqual([0, 0])
    const [gone] = world.planes.splice(0, 1)
    expect(gone?.cut).toBe(false)
    for (let n = 0; n < (HEARD_MS + 2 * LEASE_MS) / STEP_MS; n++) step(world)
    expect(offer(world, { concurrency: 1 }, [1])).toEqual([1])
  })
})

describe('a limiter', () => {
  it('forgets who is not limited any more, and holds no more than it may', () => {
    const limiter = new Limiter('p/1')
    const one = new Admission(limiter)
    one.enter('key:used', { rpm: 10 }, 0)
    for (let n = 0; n < SCOPES_MAX + 10; n++) limiter.scope(`address:${n}`, { rpm: 10 }, 0)
    expect(limiter.scopes).toBe(SCOPES_MAX)
    expect(limiter.scope('key:used', { rpm: 10 }, 0).requests?.total).toBe(1)
    one.settle(0)
    for (let nowMs = 0; nowMs < 10 * MINUTE_MS; nowMs += LEASE_MS) limiter.endLeases(nowMs, false)
    expect(limiter.scopes).toBe(0)
  })

  it('says nothing twice, and that it is there where it has nothing to say', () => {
    const limiter = new Limiter('p/1')
    new Admission(limiter).enter(KEY, { rpm: 60 }, 0)
    const said: number[] = []
    for (let nowMs = LEASE_MS; nowMs <= 4 * MINUTE_MS; nowMs += LEASE_MS) {
      const report = limiter.endLeases(nowMs, false)
      if (report) said.push(report.lines.length)
    }
    expect(said.indexOf(0)).toBeLessThan(10)
    expect(said.slice(10).every((lines) => lines === 0)).toBe(true)
    expect(said.length).toBeGreaterThan(200)
  })

  it('gives back what a request took that another limit refuses', () => {
    const limiter = new Limiter('p/1')
    const admission = new Admission(limiter)
    expect(admission.enter('fleet', { rpm: 1, concurrency: 1 }, 0)).toBeUndefined()
    limiter.scope(KEY, { rpm: 1 }, 0)
    expect(new Admission(limiter).enter(KEY, { rpm: 1 }, 0)).toBeUndefined()
    expect(admission.enter(KEY, { rpm: 1 }, 0)).toMatchObject({ scope: KEY, kind: 'requests' })
    admission.giveBack()
    admission.settle(null)
    expect(new Admission(limiter).enter('fleet', { rpm: 1, concurrency: 1 }, 0)).toBeUndefined()
  })
})
