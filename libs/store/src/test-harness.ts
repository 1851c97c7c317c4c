// What the specs of this room share: a database for each test and stores that close themselves.
import { silentLog } from '@signalbox/host'
import { type Intent, ok, parseSpec, type Snapshot } from '@signalbox/model'
import { type FreshDatabase, freshDatabase, manualClock } from '@signalbox/testing'
import pg from 'pg'
import { openStore, type OpenStoreOptions } from './open-store.ts'
import { type Store, type WriteRequest } from './store.ts'

export const intent: Intent = {
  actor: { id: 'tester', role: 'admin' },
  source: 'api',
  reason: 'why',
  requestId: 'r-1',
  changeRef: null,
  address: '127.0.0.1',
}

/** Creates, replaces or (null) deletes a backend, whatever there is. */
export function put(id: string, url: string | null): WriteRequest {
  return change((snapshot) => [draftOf(snapshot, id, url)])
}

/** A write of these drafts that answers its revision, or 0. */
export function change(
  draw: (snapshot: Snapshot) => readonly ReturnType<typeof draftOf>[],
): WriteRequest {
  return {
    intent,
    idempotency: null,
    dryRun: false,
    decide: (snapshot) => ok(draw(snapshot)),
    present: (committed) => ({
      status: 200,
      headers: { etag: '"1"' },
      body: String(committed?.message.revision ?? 0),
    }),
  }
}

export function draftOf(snapshot: Snapshot, id: string, url: string | null) {
  const spec = url === null ? null : parseSpec('backend', { kind: 'openai', url })
  if (spec && !spec.ok) throw new Error('wrong spec')
  const op = spec === null ? 'deleted' : snapshot.backends.has(id) ? 'updated' : 'created'
  // As decide() does it: counted from what exists now.
  const version = (snapshot.backends.get(id)?.version ?? 0) + 1
  const type = `backend.${op}` as const
  return { type, resource: 'backend' as const, id, version, spec: spec?.value ?? null }
}

/** Runs SQL beside the store, as the database's owner would. */
export async function runSql(url: string, sql: string, values: readonly unknown[] = []) {
  const client = new pg.Client(url)
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query(sql, [...values])).rows
  } finally {
    await client.end()
  }
}

export function createHarness() {
  const clock = manualClock(Date.UTC(2026, 0, 1))
  let database: FreshDatabase
  let opened: Store[] = []
  let listening: pg.Client[] = []
  const options = () => ({ url: database.url, fleet: 'default', clock, log: silentLog })
  beforeEach(async () => {
    database = await freshDatabase()
  })
  afterEach(async () => {
    await Promise.all(opened.map((store) => store.close()))
    await Promise.all(listening.map((client) => client.end()))
    opened = []
    listening = []
    await database.drop()
  })
  return {
    clock,
    options,
    url: () => database.url,
    /** What Postgres says on the store's channel from now on. */
    listen: async (): Promise<readonly string[]> => {
      const heard: string[] = []
      const client = new pg.Client(database.url)
      listening.push(client)
      client.on('notification', ({ payload }) => heard.push(payload ?? ''))
      await client.connect()
      await client.query('LISTEN signalbox_revision')
      return heard
    },
    sql: (sql: string, values: readonly unknown[] = []) => runSql(database.url, sql, values),
    open: async (more: Partial<OpenStoreOptions> = {}) => {
      const store = await openStore({ ...options(), ...more })
      opened.push(store)
      return store
    },
  }
}
