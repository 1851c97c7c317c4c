// Records of requests through real processes: each is stored once, whoever is killed meanwhile, and
// one of them can be explained and planned with.
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
import { end, endProcesses, type Started } from './processes-harness.ts'

const EACH_MS = 300_000
const WAIT = { timeoutMs: 60_000 }

let database: FreshDatabase
let nats: NatsServer
let backend: MockBackend
let fleet: ProcessFleet
let admin: Started

async function startEverything() {
  database = await freshDatabase()
  nats = await startNatsServer()
  backend = await startMockBackend({ models: ['m1'] })
  fleet = await createFleet({ natsUrl: nats.url, databaseUrl: database.url })
  admin = (await fleet.startAll()).admin
  await fleet.add('m1', backend.url, '?wait=20s')
}

async function endEverything() {
  await endProcesses()
  await backend?.stop()
  await nats?.stop()
  await database?.drop()
  fleet?.remove()
}

/** Sends requests one after the other until told to stop; answers the ids of those answered. */
function keepAsking(): { readonly ids: string[]; stop(): Promise<void> } {
  const ids: string[] = []
  const state = { stopped: false }
  const run = async () => {
    for (let turn = 0; !state.stopped; turn++) {
      const answer = await fleet.chat(turn % 2, 'm1')
      await answer.arrayBuffer()
      ids.push(answer.headers.get('x-request-id') ?? '')
    }
  }
  const running = run()
  return {
    ids,
    stop: async () => {
      state.stopped = true
      await running
    },
  }
}

/** Every record there is: page by page. */
async function recorded(): Promise<readonly string[]> {
  const all: string[] = []
  let cursor = ''
  do {
    const page = await fleet.call('GET', `requests?limit=500${cursor && `&cursor=${cursor}`}`)
    if (page.status !== 200) return []
    all.push(...page.json.items.map(({ requestId }: { requestId: string }) => requestId))
    cursor = page.json.nextCursor ?? ''
  } while (cursor !== '')
  return all
}

const describeWithNats = findNatsServer() === undefined ? describe.skip : describe

describeWithNats(findNatsServer() === undefined ? NO_NATS : 'records of requests', () => {
  beforeEach(startEverything, EACH_MS)
  afterEach(endEverything, EACH_MS)

  it(
    'are stored once each, though the admin API is killed meanwhile, and explain and plan with it',
    async () => {
      const asking = keepAsking()
      await eventually(async () => (await recorded()).length > 0, WAIT)
      await end(admin, 'SIGKILL')
      const atKill = asking.ids.length
      await eventually(() => asking.ids.length > atKill + 20, WAIT)
      admin = await fleet.startAdmin()
      const atStart = asking.ids.length
      await eventually(() => asking.ids.length > atStart + 20, WAIT)
      await asking.stop()
      await eventually(async () => (await recorded()).length >= asking.ids.length, WAIT)
      expect((await recorded()).slice().sort()).toEqual(asking.ids.slice().sort())

      const [requestId = ''] = asking.ids.slice(-1)
      const explained = await fleet.call('POST', 'explain', { requestId })
      expect(explained.json).toMatchObject({
        ...{ replayed: true, why: null, request: { requestId, backend: 'm1', status: 200 } },
        attempts: [{ backend: 'm1', replayed: true, candidates: [{ reason: 'picked' }] }],
      })

      const operations = [{ op: 'delete', resource: 'backend', id: 'm1' }]
      const planned = await fleet.call('POST', 'plan', { operations, lastRequests: 10 })
      expect(planned.json.requests).toMatchObject({
        ...{ looked: 10, elsewhere: 10, perhaps: 0 },
        groups: [{ route: 'm1', reason: 'model_unknown', requests: 10 }],
      })
      expect((await fleet.chat(0, 'm1')).status).toBe(200)
    },
    EACH_MS,
  )
})
