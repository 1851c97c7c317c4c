// The fleet as processes of their own on a real NATS and Postgres: each part may die, alone or with
// others, and what is left goes on with its work.
import { join } from 'node:path'
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
import { createFleet, NO_NATS, openStream, type ProcessFleet } from './fleet-harness.ts'
import { end, endProcesses, isRunning, type Started } from './processes-harness.ts'

const EACH_MS = 300_000

let database: FreshDatabase
let nats: NatsServer
let backend: MockBackend
let fleet: ProcessFleet
let admin: Started
let proxies: readonly Started[]

async function startEverything() {
  database = await freshDatabase()
  nats = await startNatsServer()
  backend = await startMockBackend({ models: ['m1', 'm2', 'm3'] })
  fleet = await createFleet({ natsUrl: nats.url, databaseUrl: database.url })
  const all = await fleet.startAll()
  admin = all.admin
  proxies = all.proxies
}

async function endEverything() {
  backend?.release()
  await endProcesses()
  await backend?.stop()
  await nats?.stop()
  await database?.drop()
  fleet?.remove()
}

/** What both proxies answer to a chat with this model: status, and where it came from. */
const answers = (model: string) =>
  Promise.all(
    [0, 1].map(async (index) => {
      const answer = await fleet.chat(index, model)
      await answer.text()
      return [answer.status, answer.headers.get('x-signalbox-backend')]
    }),
  )
const both = (status: number, id: string | null = null) => [
  [status, id],
  [status, id],
]

const auditIds = async (): Promise<readonly string[]> => {
  const { items } = (await fleet.call('GET', 'revisions')).json
  return items.map((item: { changes: { id: string }[] }) => item.changes[0]?.id)
}

function describeFleet() {
  beforeEach(startEverything, EACH_MS)
  afterEach(endEverything, EACH_MS)

  it(
    'applies a backend everywhere before it answers; what changes nothing moves nobody',
    async () => {
      expect(await answers('m1')).toEqual(both(404))
      const added = await fleet.add('m1', backend.url, '?wait=5s')
      expect([added.status, added.json.revision]).toEqual([201, 1])
      expect(added.json.convergence).toMatchObject({ acked: 2, pending: 0, nacked: 0 })
      expect(await answers('m1')).toEqual(both(200, 'm1'))
      expect(await answers('m2')).toEqual(both(404))
      const { kind, url, models, health } = added.json.spec
      const same = { spec: { kind, url, models, health } }
      const again = await fleet.call('PUT', 'backends/m1?wait=5s', same)
      expect([again.status, again.json.revision]).toEqual([200, 1])
      expect((await fleet.call('GET', 'fleet')).json).toMatchObject({
        head: { revision: 1 },
        live: 2,
        applied: 2,
      })
    },
    EACH_MS,
  )

  it.each([
    ['with its data', false],
    ['with an empty store', true],
  ])(
    'serves and takes writes while NATS is dead, and all catch up when it is back %s',
    async (_how, wipe) => {
      await fleet.add('m1', backend.url, '?wait=5s')
      const stream = await openStream(fleet, backend, { index: 0, model: 'm1' })
      await nats.kill()
      await eventually(async () => (await readiness()).bus !== 'connected')
      expect((await fleet.add('m2', backend.url)).status).toBe(201)
      expect(await auditIds()).toEqual(['m2', 'm1'])
      const rest = await stream.rest()
      expect([stream.status, rest.endsWith('data: [DONE]\n\n')]).toEqual([200, true])
      expect(await answers('m1')).toEqual(both(200, 'm1'))
      // Nobody can have heard of it.
      expect(await answers('m2')).toEqual(both(404))
      for (const index of [0, 1]) expect((await fleet.get(index, '/readyz')).status).toBe(200)
      await nats.restart({ wipe })
      await fleet.applied(2)
      expect(await answers('m2')).toEqual(both(200, 'm2'))
      expect([admin, ...proxies].map(isRunning)).toEqual([true, true, true])
      const added = await fleet.add('m3', backend.url, '?wait=5s')
      expect(added.json.convergence).toMatchObject({ acked: 2, pending: 0, nacked: 0 })
    },
    EACH_MS,
  )

  it(
    'serves while the admin API is dead, and follows it when it is back',
    async () => {
      await fleet.add('m1', backend.url, '?wait=5s')
      const stream = await openStream(fleet, backend, { index: 1, model: 'm1' })
      await end(admin, 'SIGKILL')
      expect(await stream.rest()).toMatch(/data: \[DONE\]\n\n$/)
      expect(await answers('m1')).toEqual(both(200, 'm1'))
      for (const index of [0, 1]) expect((await fleet.get(index, '/readyz')).status).toBe(200)
      await fleet.startAdmin()
      await fleet.applied(1)
      const added = await fleet.add('m2', backend.url, '?wait=5s')
      expect(added.json.convergence).toMatchObject({ acked: 2, pending: 0, nacked: 0 })
      expect(await answers('m2')).toEqual(both(200, 'm2'))
    },
    EACH_MS,
  )

  it(
    'a proxy that was killed starts from its disk copy without a control plane; a new one waits',
    async () => {
      await fleet.add('m1', backend.url, '?wait=5s')
      const [first, second] = proxies
      if (!first || !second) throw new Error('there are two proxies')
      await nats.kill()
      await Promise.all([admin, first, second].map((one) => end(one, 'SIGKILL')))
      await fleet.startProxy(0)
      const ready = await fleet.get(0, '/readyz')
      expect([ready.status, ready.json.detail.revision]).toEqual([200, 1])
      const served = await fleet.chat(0, 'm1')
      expect([served.status, served.headers.get('x-signalbox-revision')]).toEqual([200, '1'])
      await served.text()

      await fleet.startProxy(1, join(fleet.folder, 'never-used'))
      expect((await fleet.get(1, '/readyz')).json).toMatchObject({ ready: false })
      const refused = await fleet.chat(1, 'm1')
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1'])
      expect(await refused.json()).toMatchObject({ error: { code: 'not_ready' } })

      await nats.restart()
      await fleet.startAdmin()
      await fleet.applied(1)
      const added = await fleet.add('m2', backend.url, '?wait=5s')
      expect(added.json.convergence).toMatchObject({ acked: 2, pending: 0, nacked: 0 })
      expect(await answers('m2')).toEqual(both(200, 'm2'))
    },
    EACH_MS,
  )
}

const readiness = async (): Promise<{ bus: string }> =>
  (await fleet.call('GET', '/readyz')).json.detail

if (findNatsServer() === undefined) it.skip(NO_NATS, () => {})
else describe('a fleet of processes', describeFleet)
