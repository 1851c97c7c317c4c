import { sha256, silentLog, systemClock } from '@signalbox/host'
import { ChainCheck, type RevisionBody } from '@signalbox/model'
import { openStore } from '@signalbox/store'
import { type FreshDatabase, freshDatabase, seedsOf } from '@signalbox/testing'
import { type Api, startApi } from './api-harness.ts'
import { runClients } from './clients-harness.ts'
import { checkHistory, type Entry } from './history-harness.ts'

const INSTANCES = 2
const RUN_MS = 300_000

let database: FreshDatabase
let instances: Api[]
beforeEach(async () => {
  instances = []
  database = await freshDatabase()
  for (let index = 0; index < INSTANCES; index++) {
    instances.push(await startApi(() => Promise.resolve(database.url)))
  }
})
afterEach(async () => {
  await endInstances()
  await database.drop()
})

/** Whoever broke off may still be served: after this nothing is under way. */
async function endInstances(): Promise<void> {
  await Promise.all(instances.splice(0).map((instance) => instance.end()))
}

async function readLog(): Promise<readonly Entry[]> {
  const options = { url: database.url, fleet: 'default', clock: systemClock, log: silentLog }
  const store = await openStore(options)
  const chain = new ChainCheck(sha256)
  const entries: Entry[] = []
  try {
    const derived = await store.readWhole((message) => {
      const body = JSON.parse(message.body) as RevisionBody
      for (const { id, spec } of body.events) {
        const value = spec && 'labels' in spec ? spec.labels : null
        entries.push({ revision: message.revision, tag: body.requestId, id, value })
      }
      return chain.next(message)
    })
    expect([chain.end().problems, derived]).toEqual([[], []])
  } finally {
    await store.close()
  }
  return entries
}

it.each(seedsOf(4))(
  'two instances on one database behave as one, whatever clients do (seed %d)',
  async (seed) => {
    const { operations, different, ways } = await runClients(
      instances.map(({ base }) => base),
      seed,
    )
    await endInstances()
    const log = await readLog()
    expect(checkHistory(operations, log)).toEqual([])
    expect(different).toEqual([])

    // What came up, so that a history of nothing does not pass.
    const kinds = Map.groupBy(operations, ({ answer }) => answer?.kind ?? 'unknown')
    for (const kind of [
      'wrote',
      'exists',
      'missing',
      'stale',
      'found',
      'listed',
      'unknown',
    ] as const) {
      expect([kind, kinds.has(kind)]).toEqual([kind, true])
    }
    expect([...ways.keys()].sort()).toEqual(WAYS)
    expect(log.length).toBeGreaterThan(50)
    // Of what was broken off, some came to be and some did not.
    const made = new Set(log.map(({ tag }) => tag))
    const unknown = (kinds.get('unknown') ?? []).filter(({ ask }) => 'ifMatch' in ask)
    expect(new Set(unknown.map(({ tag }) => made.has(tag)))).toEqual(new Set([true, false]))
  },
  RUN_MS,
)

const WAYS = ['again', 'cut', 'dry run', 'half', 'plainly', 'repeated', 'twins']

it('a history of this log in which a change is exchanged does not pass', async () => {
  const { operations } = await runClients(
    instances.map(({ base }) => base),
    1,
  )
  await endInstances()
  const log = await readLog()
  for (const [index, entry] of log.entries()) {
    const forged = log.with(index, { ...entry, value: { whole: 'forged' } })
    expect(checkHistory(operations, forged)).not.toEqual([])
  }
})
