// A backup is restored that is older than what the proxies have: the same revision numbers come
// again with other contents, and nobody may go on with what the log no longer has.
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
import pg from 'pg'
import { createFleet, NO_NATS, type ProcessFleet } from './fleet-harness.ts'
import { end, endProcesses } from './processes-harness.ts'

const EACH_MS = 300_000

let database: FreshDatabase
let nats: NatsServer
let backend: MockBackend
let fleet: ProcessFleet

/** Copies a database under another name, or brings the copy back in its place. */
async function sql(...statements: readonly string[]): Promise<void> {
  const url = new URL(database.url)
  url.pathname = '/postgres'
  const client = new pg.Client(url.href)
  await client.connect()
  for (const statement of statements) await client.query(statement)
  await client.end()
}

const status = async (model: string) => {
  const answer = await fleet.chat(0, model)
  await answer.arrayBuffer()
  return answer.status
}

;(findNatsServer() ? describe : describe.skip)(
  findNatsServer() ? 'a backup that is older than the fleet' : NO_NATS,
  () => {
    beforeEach(async () => {
      database = await freshDatabase()
      nats = await startNatsServer()
      backend = await startMockBackend({ models: ['m1', 'm2', 'm3', 'm4'] })
      fleet = await createFleet({ natsUrl: nats.url, databaseUrl: database.url })
    }, EACH_MS)
    afterEach(async () => {
      await endProcesses()
      await backend?.stop()
      await nats?.stop()
      await database?.drop()
      fleet?.remove()
    }, EACH_MS)

    it(
      'is what every proxy runs soon after, and what comes next is live',
      async () => {
        const name = new URL(database.url).pathname.slice(1)
        const { admin } = await fleet.startAll()
        await fleet.add('m1', backend.url, '?wait=5s')
        await end(admin, 'SIGTERM')
        await sql(`CREATE DATABASE ${name}_copy TEMPLATE ${name}`)
        const second = await fleet.startAdmin()
        await fleet.add('m2', backend.url)
        await fleet.add('m3', backend.url)
        await fleet.applied(3)
        expect(await status('m3')).toBe(200)

        await end(second, 'SIGKILL')
        await sql(
          `DROP DATABASE ${name} WITH (FORCE)`,
          `ALTER DATABASE ${name}_copy RENAME TO ${name}`,
        )
        await fleet.startAdmin()
        await fleet.applied(2)
        const { head, members } = (await fleet.call('GET', 'fleet')).json
        expect(head).toMatchObject({ epoch: 2, revision: 2 })
        expect(members.map((member: { lag: number }) => member.lag)).toEqual([0, 0, 0])
        expect([await status('m1'), await status('m2'), await status('m3')]).toEqual([
          200, 404, 404,
        ])

        await fleet.add('m4', backend.url, '?wait=30s')
        expect(await status('m4')).toBe(200)
        await eventually(async () => (await fleet.call('GET', 'audit/verify')).json.ok === true)
        const { items } = (await fleet.call('GET', 'revisions?limit=2')).json
        expect(items[1].reason).toMatch(/the log ends at 1, but revision 3 has been seen/)
      },
      EACH_MS,
    )
  },
)
