// The role of docs/operations.md, made by the SQL that stands there: the admin API does all its
// work as it, and whoever has its password cannot alter what was appended.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { type Api, startApi } from './api-harness.ts'
import { prepareDatabase } from './prepare-database.ts'
import { recordOf, report } from './usage-harness.ts'

const PAGE = join(import.meta.dirname, '../../../docs/operations.md')
const [, SQL = ''] = /```sql\n(CREATE ROLE [\s\S]*?)```/.exec(readFileSync(PAGE, 'utf8')) ?? []
const [, ROLE = '', PASSWORD = ''] = /^CREATE ROLE (\w+) LOGIN PASSWORD '([^']*)'/.exec(SQL) ?? []
const DAY_MS = 86_400_000

let api: Api
let owner: pg.Client
let asRole: string
beforeAll(async () => {
  api = await startApi(async (url) => {
    owner = new pg.Client(url)
    await owner.connect()
    // A day of requests that the owner's process has made before.
    await owner.query(
      `CREATE TABLE requests_20260101 PARTITION OF requests
         FOR VALUES FROM ('2026-01-01') TO ('2026-01-02')`,
    )
    await owner.query(`DROP ROLE IF EXISTS ${ROLE}`)
    await owner.query(SQL)
    const to = new URL(url)
    to.username = ROLE
    to.password = PASSWORD
    asRole = to.href
    // What main does before it opens the store.
    await prepareDatabase(asRole)
    return asRole
  })
})
afterAll(async () => {
  await owner.query(`REASSIGN OWNED BY ${ROLE} TO CURRENT_USER`)
  await owner.query(`DROP OWNED BY ${ROLE}`)
  await owner.query(`DROP ROLE ${ROLE}`)
  await owner.end()
  await api.end()
})

it('does what the admin API does: changes, reads of the past, the audit, records of requests', async () => {
  const add = await api.add('b1', { apiKey: 'sk-one' }, { headers: { 'idempotency-key': 'k' } })
  expect(add.status).toBe(201)
  const body = { spec: { weight: 3, apiKey: 'sk-two' } }
  expect((await api.call('PATCH', 'backends/b1', { body })).status).toBe(200)
  expect((await api.call('POST', 'keys', { body: { id: 'k1', spec: {} } })).status).toBe(201)
  expect((await api.call('DELETE', 'backends/b1')).status).toBe(204)
  expect((await api.call('GET', 'backends/b1?asOf=2')).json.spec.weight).toBe(3)
  expect((await api.call('GET', 'audit/verify')).json).toMatchObject({ ok: true, revision: 4 })
  expect((await api.call('GET', 'audit/checkpoint')).status).toBe(200)
  await report(api, [recordOf('one', { atMs: Date.now() - DAY_MS }), recordOf('two')])
  expect((await api.call('GET', 'requests')).json.items).toHaveLength(2)
  // Days that are over go as whole tables, also those that the owner made.
  await api.store.requests.forgetBefore(new Date(Date.now() - 2 * DAY_MS))
  const { rows } = await owner.query(`SELECT to_regclass('requests_20260101') AS kept`)
  expect(rows).toEqual([{ kept: null }])
  expect((await api.call('POST', 'epochs', { body: {} })).json).toEqual({ epoch: 2, revision: 5 })
})

it.each([
  'UPDATE revision SET body = body',
  'DELETE FROM revision',
  'TRUNCATE revision CASCADE',
  'UPDATE event SET spec = NULL',
  'DELETE FROM event',
  'UPDATE checkpoint SET note = note',
  'DELETE FROM checkpoint',
  'DELETE FROM log_head',
  'ALTER TABLE revision DISABLE TRIGGER ALL',
  'ALTER TABLE event DISABLE TRIGGER ALL',
  'ALTER TABLE checkpoint OWNER TO CURRENT_USER',
  'DROP TRIGGER revision_is_append_only ON revision',
  'DROP TABLE event CASCADE',
  'CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE sql AS $$ SELECT 1 $$',
  'DROP FUNCTION append_revision(text, bytea, bytea)',
  "SET session_replication_role = 'replica'",
  'DELETE FROM _prisma_migrations',
])('may not: %s', async (statement) => {
  const client = new pg.Client(asRole)
  await client.connect()
  try {
    // insufficient_privilege; not that a trigger refused it, which its owner could turn off.
    await expect(client.query(statement)).rejects.toMatchObject({ code: '42501' })
  } finally {
    await client.end()
  }
})
