// The canaries of secrets.spec.ts where a real NATS carries everything: whoever may hear all of its
// subjects, or has its disk, finds none of them.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type NatsConnection } from '@nats-io/transport-node'
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
import { filesIn } from './files-harness.ts'
import { createFleet, MASTER_KEY, NO_NATS, type ProcessFleet, TOKEN } from './fleet-harness.ts'
import { endProcesses, type Started } from './processes-harness.ts'

const TEST_MS = 300_000
const API_KEY = 'sk-canary-of-a-backend-7f3a'
const VALUE = 'sk-canary-of-a-secret-2c8d'
const PROMPT = 'canary-of-a-prompt-91b2'
/** No secret: what must be found wherever the configuration is, or the looking is blind. */
const LABEL = 'canary-that-may-be-seen-40de'

let folder: string
let database: FreshDatabase
let nats: NatsServer
let backend: MockBackend
let fleet: ProcessFleet
let listener: NatsConnection

;(findNatsServer() ? describe : describe.skip)(
  findNatsServer() ? 'a secret in a fleet of processes' : NO_NATS,
  () => {
    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'signalbox-jetstream-'))
      database = await freshDatabase()
      nats = await startNatsServer({ storeDir: folder })
      backend = await startMockBackend({ models: ['m1', 'm2'] })
      fleet = await createFleet({ natsUrl: nats.url, databaseUrl: database.url })
    }, TEST_MS)
    afterEach(async () => {
      await listener?.close()
      await endProcesses()
      await backend?.stop()
      await nats?.stop()
      await database?.drop()
      fleet?.remove()
      rmSync(folder, { recursive: true, force: true })
    }, TEST_MS)

    it('is on no subject, and not on the disk of the broker', checkBus, TEST_MS)
  },
)

async function checkBus(): Promise<void> {
  const heard: [subject: string, text: string][] = []
  listener = await connect({ servers: nats.url })
  listener.subscribe('>', {
    callback: (_, message) => {
      heard.push([message.subject, Buffer.from(message.data).toString('latin1')])
    },
  })
  await listener.flush()
  const { admin, probe, proxies } = await fleet.startAll()
  const clientKey = await plant()
  await eventually(async () => (await fleet.call('GET', 'requests')).json.items.length === 2)
  const processes: readonly Started[] = [admin, probe, ...proxies]
  await endProcesses()
  await listener.flush()

  const written: [string, string][] = [
    ...heard,
    ...filesIn(folder),
    ...filesIn(fleet.folder),
    ...processes.map((one, nth): [string, string] => [`output ${nth}`, one.output()]),
  ]
  for (const secret of [API_KEY, VALUE, clientKey, PROMPT, TOKEN, MASTER_KEY]) {
    const found = written.filter(([, text]) => text.includes(secret)).map(([where]) => where)
    expect([secret, found]).toEqual([secret, []])
  }
  const seen = written.filter(([, text]) => text.includes(LABEL)).map(([where]) => where)
  expect(seen.some((where) => where.includes('.config.revision.'))).toBe(true)
  expect(seen.some((where) => where.startsWith(folder))).toBe(true)
  expect(seen.some((where) => where.startsWith(fleet.folder))).toBe(true)
  // Statuses, heartbeats and records of requests were heard as well.
  expect(new Set(heard.map(([subject]) => subject.split('.')[2])).size).toBeGreaterThan(3)
}

/** Credentials, and requests that use them; answers the token of a client key. */
async function plant(): Promise<string> {
  const origin = new URL(backend.url).origin
  const kind = { kind: 'openai', url: backend.url }
  const own = { ...kind, models: ['m1'], apiKey: API_KEY, labels: { seen: LABEL } }
  const refers = { ...kind, models: ['m2'], credential: { secret: 's1' } }
  await fleet.call('POST', 'backends', { id: 'b1', spec: own })
  await fleet.call('POST', 'secrets', { id: 's1', spec: { value: VALUE, origins: [origin] } })
  await fleet.call('POST', 'backends', { id: 'b2', spec: refers })
  const made = await fleet.call('POST', 'keys', { id: 'k1', spec: {} })
  await fleet.applied(made.json.revision)
  for (const model of ['m1', 'm2']) {
    const messages = [{ role: 'user', content: PROMPT }]
    const answer = await fetch(`http://${fleet.address(0)}/v1/chat/completions`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${made.json.token}`,
      },
      body: JSON.stringify({ model, messages }),
    })
    expect([model, answer.status]).toEqual([model, 200])
    await answer.arrayBuffer()
  }
  const shown = backend.requests.map(({ headers }) => headers['authorization'])
  expect(shown).toEqual(expect.arrayContaining([`Bearer ${API_KEY}`, `Bearer ${VALUE}`]))
  return made.json.token
}
