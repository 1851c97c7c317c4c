import { eventually } from '@signalbox/testing'
import { type BusHarness } from './bus.contract.ts'
import { type Bus, BusUnavailable, type UsageBatch } from './bus.ts'

const BATCH: UsageBatch = { proxy: 'p 1', id: 'boot-1', text: '{"id":"boot-1-1"}\n' }

/** The part of Bus's contract that carries records of requests. */
export function describeUsage(start: () => Promise<BusHarness>): void {
  describe('usage', () => {
    let harness: BusHarness
    let admin: Bus
    let other: Bus
    let proxy: Bus

    beforeEach(async () => {
      harness = await start()
      admin = await harness.connect()
      other = await harness.connect()
      proxy = await harness.connect()
    })

    afterEach(async () => {
      for (const bus of [admin, other, proxy]) await bus.close()
      await harness.stop()
    })

    it('is delivered when it was stored, and not before', async () => {
      const asked: UsageBatch[] = []
      const gate = Promise.withResolvers<void>()
      admin.onUsage((batch) => {
        asked.push(batch)
        return gate.promise
      })
      let delivered = 0
      await eventually(() => {
        proxy.deliverUsage(BATCH).then(
          () => (delivered += 1),
          () => {},
        )
        return asked.length > 0
      })
      expect([asked[0], delivered]).toEqual([BATCH, 0])
      gate.resolve()
      await eventually(() => delivered > 0)
    })

    it('is not delivered where nobody stores, or no longer', async () => {
      await expect(proxy.deliverUsage(BATCH)).rejects.toBeInstanceOf(BusUnavailable)
      const unsubscribe = admin.onUsage(() => Promise.resolve())
      await eventually(() => isDelivered(proxy))
      unsubscribe()
      await eventually(async () => !(await isDelivered(proxy)))
    })

    it('is not delivered where it was not stored', async () => {
      let asked = 0
      admin.onUsage(() => {
        asked += 1
        return Promise.reject(new Error('the disk is full'))
      })
      await eventually(async () => {
        await expect(proxy.deliverUsage(BATCH)).rejects.toBeInstanceOf(BusUnavailable)
        return asked > 0
      })
    })

    it('goes to one of those who store', async () => {
      const stored: string[] = []
      const counts = [0, 0]
      for (const [n, bus] of [admin, other].entries()) {
        bus.onUsage(({ id }) => {
          counts[n] = (counts[n] ?? 0) + 1
          return Promise.resolve(void stored.push(id))
        })
      }
      await eventually(async () => {
        await isDelivered(proxy)
        return counts.every((count) => count > 0)
      })
      const before = stored.length
      const ids = Array.from({ length: 20 }, (_, n) => `b${n}`)
      await Promise.all(ids.map((id) => proxy.deliverUsage({ ...BATCH, id })))
      expect(stored.slice(before).sort()).toEqual(ids.sort())
    })

    it('is refused during an outage, and delivered after it', async () => {
      admin.onUsage(() => Promise.resolve())
      await eventually(() => isDelivered(proxy))
      const recover = await harness.outage({ wipe: false })
      await expect(proxy.deliverUsage(BATCH)).rejects.toBeInstanceOf(BusUnavailable)
      await recover()
      await eventually(() => isDelivered(proxy))
    })
  })
}

async function isDelivered(bus: Bus): Promise<boolean> {
  try {
    await bus.deliverUsage(BATCH)
    return true
  } catch {
    return false
  }
}
