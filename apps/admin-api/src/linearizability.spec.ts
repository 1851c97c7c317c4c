import { type FreshDatabase, freshDatabase, seedsOf } from '@signalbox/testing'
import { type Api, startApi } from './api-harness.ts'
import { readLog, runClients } from './clients-harness.ts'
import { checkHistory } from './history-harness.ts'

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

it.each(seedsOf(4))(
  'two instances on one database behave as one, whatever clients do (seed %d)',
  async (seed) => {
    const { operations, different, ways } = await runClients(
      instances.map(({ base }) => base),
      seed,
    )
    await endInstances()
    const log = await readLog(database.url)
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
  const log = await readLog(database.url)
  for (const [index, entry] of log.entries()) {
    const forged = log.with(index, { ...entry, value: { whole: 'forged' } })
    expect(checkHistory(operations, forged)).not.toEqual([])
  }
})
