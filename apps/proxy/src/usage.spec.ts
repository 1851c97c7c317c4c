import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BusUnavailable, type UsageBatch } from '@signalbox/bus'
import { createMetrics, silentLog } from '@signalbox/host'
import { decodeRecords, USAGE_BYTES_MAX } from '@signalbox/model'
import { eventually, manualClock } from '@signalbox/testing'
import { record } from './record-harness.ts'
import { Spool } from './spool.ts'
import { FLUSH_MS, type Usage, UsageLane } from './usage.ts'
import { WAITING_MAX } from './waiting-lines.ts'

let dir: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'signalbox-usage-'))
})
afterEach(() => rmSync(dir, { recursive: true }))

/** A lane whose bus stores, or does not. */
function world({ bytesMax = 1_000_000, boot = 'boot' } = {}) {
  const clock = manualClock()
  const metrics = createMetrics()
  const stored: UsageBatch[] = []
  const state = { up: true, asked: 0 }
  const deliverUsage = (batch: UsageBatch) => {
    state.asked += 1
    if (!state.up) return Promise.reject(new BusUnavailable('down'))
    stored.push(batch)
    return Promise.resolve()
  }
  const spool = new Spool(join(dir, 'usage'), bytesMax)
  const lane = new UsageLane({
    ...{ bus: { deliverUsage }, spool, proxy: 'p', boot, clock, metrics, log: silentLog },
  })
  const value = async (name: string) => {
    const [one] = (await metrics.getSingleMetric(`signalbox_usage_${name}`)?.get())?.values ?? []
    return one?.value ?? 0
  }
  const ids = () => stored.flatMap(({ text }) => decodeRecords(text).records.map(({ id }) => id))
  return { lane, clock, state, stored, ids, spool, value }
}

/** Lets time pass until it holds: what a flush does takes turns of the real disk. */
async function until(clock: ReturnType<typeof manualClock>, holds: () => boolean): Promise<void> {
  await eventually(() => {
    clock.advance(FLUSH_MS)
    return holds()
  })
}

const addMany = (lane: Usage, count: number) => {
  for (let n = 0; n < count; n++) lane.add(record(`r${n}`))
}

describe('usage', () => {
  it('is delivered in batches, each as large as may travel', async () => {
    const { lane, clock, stored, ids, value } = world()
    addMany(lane, 3_000)
    expect(await value('waiting')).toBe(3_000)
    await until(clock, () => ids().length === 3_000)
    expect(new Set(ids()).size).toBe(3_000)
    expect(stored.length).toBeGreaterThan(1)
    expect(new Set(stored.map(({ id }) => id)).size).toBe(stored.length)
    for (const { text } of stored) expect(Buffer.byteLength(text)).toBeLessThan(USAGE_BYTES_MAX + 1)
    await lane.stop()
    expect(clock.pending()).toBe(0)
    expect([await value('stored_total'), await value('dropped_total')]).toEqual([3_000, 0])
  })

  it('goes to disk while nobody stores it, and from there later, another start included', async () => {
    const first = world({ boot: 'one' })
    first.state.up = false
    addMany(first.lane, 10)
    await until(first.clock, () => first.spool.bytes() > 0)
    first.lane.add(record('last'))
    await first.lane.stop()
    expect(await first.value('spooled_bytes')).toBeGreaterThan(0)

    const second = world({ boot: 'two' })
    await until(second.clock, () => second.ids().length === 11)
    await eventually(() => second.spool.bytes() === 0)
    expect(second.ids().sort()).toEqual(
      [...Array.from({ length: 10 }, (_, n) => `r${n}`), 'last'].sort(),
    )
    expect(second.stored.every(({ id }) => id.startsWith('one-'))).toBe(true)
    await second.lane.stop()
    expect(readdirSync(join(dir, 'usage'))).toEqual([])
  })

  it('asks a bus that is down less and less often', async () => {
    const { lane, clock, state, spool } = world()
    state.up = false
    lane.add(record('a'))
    await until(clock, () => spool.bytes() > 0)
    const before = state.asked
    for (let n = 0; n < 240; n++) {
      clock.advance(FLUSH_MS)
      await new Promise(setImmediate)
    }
    // Two minutes: after 1, 2, 4, 8, 16 and then every 30 seconds.
    expect(state.asked - before).toBeLessThan(12)
    state.up = true
    await until(clock, () => spool.bytes() === 0)
    await lane.stop()
  })

  it('is counted and left out over the bound in memory and on disk', async () => {
    const { lane, clock, state, spool, value } = world({ bytesMax: 1_000 })
    addMany(lane, WAITING_MAX + 5)
    expect(await value('dropped_total')).toBe(5)
    state.up = false
    await lane.stop()
    expect(await value('dropped_total')).toBe(WAITING_MAX + 5)
    expect(spool.bytes()).toBe(0)
    expect(clock.pending()).toBe(0)
  })

  it('is counted and left out where the disk fails', async () => {
    writeFileSync(join(dir, 'usage'), 'a file, where a directory should be')
    const { lane, state, value } = world()
    state.up = false
    lane.add(record('a'))
    await lane.stop()
    expect(await value('dropped_total')).toBe(1)
  })
})
