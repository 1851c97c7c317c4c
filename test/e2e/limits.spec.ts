// One limit over two proxies that are processes of their own, on a real NATS: what one lets through
// the other does not, and while the bus is gone each keeps to its part.
import {
  eventually,
  findNatsServer,
  type FreshDatabase,
  freshDatabase,
  type MockBackend,
  type NatsServer,
  startMockBackend,
  startNatsServer,
} from '@signalbox/testing'
import { createFleet, NO_NATS, type ProcessFleet } from './fleet-harness.ts'
import { endProcesses } from './processes-harness.ts'

const EACH_MS = 300_000
const RPM = 40

if (findNatsServer() === undefined) {
  it.skip(NO_NATS, () => {})
} else {
  describe('a limit of the fleet', () => {
    let database: FreshDatabase
    let nats: NatsServer
    let backend: MockBackend
    let fleet: ProcessFleet

    beforeAll(async () => {
      database = await freshDatabase()
      nats = await startNatsServer()
      backend = await startMockBackend({ models: ['m1'] })
      fleet = await createFleet({ natsUrl: nats.url, databaseUrl: database.url })
      await fleet.startAll()
    }, EACH_MS)

    afterAll(async () => {
      await endProcesses()
      await backend?.stop()
      await nats?.stop()
      await database?.drop()
      fleet?.remove()
    }, EACH_MS)

    const status = async (index: number): Promise<number> => {
      const answer = await fleet.chat(index, 'm1')
      await answer.arrayBuffer()
      return answer.status
    }
    const metric = async (index: number, name: string): Promise<number> => {
      const { text } = await fleet.get(index, '/metrics')
      return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
    }

    it(
      'is one number over both proxies, and divided while the bus is gone',
      async () => {
        await fleet.add('m1', backend.url)
        const spec = { limits: { rpm: RPM } }
        const { json } = await fleet.call('PUT', 'settings/default', { spec })
        await fleet.applied(json.revision)
        const known = async () =>
          (await Promise.all([0, 1].map((one) => metric(one, 'signalbox_limiter_planes')))).every(
            (planes) => planes === 2,
          )
        await eventually(known, { timeoutMs: 60_000 })
        const startMs = performance.now()
        let through = 0
        // A client with one connection gets all of it.
        while ((await status(0)) === 200) through++
        expect(through).toBeGreaterThanOrEqual(RPM)
        // The second word from now was said after the last request.
        const heard = await metric(1, 'signalbox_limiter_reports_total')
        await eventually(
          async () => (await metric(1, 'signalbox_limiter_reports_total')) >= heard + 2,
        )
        // It has heard: only what time has earned since may go through here.
        for (let n = 0; n < RPM; n++) if ((await status(1)) === 200) through++
        const earned = ((performance.now() - startMs) * RPM) / 60_000
        expect(through).toBeLessThanOrEqual(RPM + earned + 2)

        await nats.stop()
        const before = performance.now()
        const gone = async () =>
          (await Promise.all([0, 1].map((one) => fleet.get(one, '/readyz')))).every(({ text }) =>
            text.includes('bus-disconnected'),
          )
        await eventually(gone, { timeoutMs: 60_000 })
        let alone = 0
        for (let n = 0; n < RPM; n++) {
          for (const one of [0, 1]) if ((await status(one)) === 200) alone++
        }
        const since = ((performance.now() - before) * RPM) / 60_000
        expect(alone).toBeLessThanOrEqual(earned + since + 4)
      },
      EACH_MS,
    )
  })
}
