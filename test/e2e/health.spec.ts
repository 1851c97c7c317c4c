// What a probe sees of a backend, at every proxy of the fleet: in the order in which it came about.
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
const PROXIES = [0, 1]

let database: FreshDatabase
let nats: NatsServer
let backend: MockBackend
let fleet: ProcessFleet

async function startEverything() {
  ;[database, nats] = await Promise.all([freshDatabase(), startNatsServer()])
  backend = await startMockBackend({ models: ['m1'] })
  fleet = await createFleet({ natsUrl: nats.url, databaseUrl: database.url })
  await fleet.startAll()
  await fleet.add('m1', backend.url, '?wait=5s')
}

async function endEverything() {
  await endProcesses()
  await backend?.stop()
  await nats?.stop()
  await database?.drop()
  fleet?.remove()
}

/** What a proxy says of the backend, and what it answers to who wants its model. */
async function seenBy(index: number): Promise<{ readonly health: string; readonly chat: number }> {
  const { json } = await fleet.get(index, '/admin/health')
  const answer = await fleet.chat(index, 'm1')
  await answer.text()
  return { health: json.backends[0].health, chat: answer.status }
}

function describeHealth() {
  beforeAll(startEverything, EACH_MS)
  afterAll(endEverything, EACH_MS)

  it(
    'a change reaches every proxy, and all of them in the order in which it was seen',
    async () => {
      /** Each change of what a proxy says, as it is looked at again and again. */
      const told = PROXIES.map((): string[] => [])
      const allSee = (health: string, chat: number) =>
        eventually(async () => {
          for (const index of PROXIES) {
            const seen = await seenBy(index)
            if (told[index]?.at(-1) !== seen.health) told[index]?.push(seen.health)
            if (seen.health !== health || seen.chat !== chat) {
              throw new Error(`proxy ${index}: ${JSON.stringify(seen)}`)
            }
          }
          return true
        })
      await allSee('ready', 200)
      backend.failWith(500, { only: '/v1/models' })
      await allSee('down', 503)
      backend.heal()
      await allSee('ready', 200)
      for (const changes of told) {
        expect(changes.slice(changes.indexOf('ready'))).toEqual(['ready', 'down', 'ready'])
      }
      // Kept for people a moment later.
      const history = async () => {
        const { items } = (await fleet.call('GET', 'status/m1/history')).json
        return items.map(({ health }: { health: string }) => health).reverse()
      }
      await eventually(async () => (await history()).length === 3)
      expect(await history()).toEqual(['ready', 'down', 'ready'])
    },
    EACH_MS,
  )
}

if (findNatsServer() === undefined) it.skip(NO_NATS, () => {})
else describe('health in a fleet', describeHealth)
