// What the specs of this room share: a database for each test and stores that close themselves.
import { silentLog } from '@signalbox/host'
import { type Intent, parseSpec } from '@signalbox/model'
import { type FreshDatabase, freshDatabase, manualClock } from '@signalbox/testing'
import { openStore } from './open-store.ts'
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
  const spec = url === null ? null : parseSpec('backend', { kind: 'openai', url })
  if (spec && !spec.ok) throw new Error('wrong spec')
  return {
    intent,
    idempotency: null,
    dryRun: false,
    decide: (snapshot) => {
      const op = spec === null ? 'deleted' : snapshot.backends.has(id) ? 'updated' : 'created'
      const draft = { type: `backend.${op}`, resource: 'backend', id, version: 1 } as const
      return { ok: true, value: [{ ...draft, spec: spec?.value ?? null }] }
    },
    present: (committed) => ({
      status: 200,
      headers: {},
      body: String(committed?.message.revision ?? 0),
    }),
  }
}

export function createHarness() {
  const clock = manualClock(Date.UTC(2026, 0, 1))
  let database: FreshDatabase
  let opened: Store[] = []
  const options = () => ({ url: database.url, fleet: 'default', clock, log: silentLog })
  beforeEach(async () => {
    database = await freshDatabase()
  })
  afterEach(async () => {
    await Promise.all(opened.map((store) => store.close()))
    opened = []
    await database.drop()
  })
  return {
    clock,
    options,
    url: () => database.url,
    open: async (fleet = 'default') => {
      const store = await openStore({ ...options(), fleet })
      opened.push(store)
      return store
    },
  }
}
