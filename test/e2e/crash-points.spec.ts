// kill -9 at each point of a command's way: nothing that was acknowledged is lost, nothing is done
// twice, the log stays whole, the same key gives one effect, and followers arrive where it ends.
import { connectNats, type Following, follow, noDisk } from '@signalbox/bus'
import { silentLog, systemClock } from '@signalbox/host'
import { type Head } from '@signalbox/model'
import { openStore } from '@signalbox/store'
import {
  eventually,
  findNatsServer,
  type FreshDatabase,
  freshDatabase,
  type NatsServer,
  startNatsServer,
  freePort,
} from '@signalbox/testing'
import { fleetEnv, NO_NATS, TOKEN } from './fleet-harness.ts'
import { type Gate, isReadyForQuery, openGate, type Point } from './gate-harness.ts'
import { end, endProcesses, startProcess, untilUp } from './processes-harness.ts'

const EACH_MS = 300_000
const SPEC = { kind: 'vllm', url: 'http://127.0.0.1:8000', models: ['m1'] }

interface CrashPoint extends Point {
  readonly name: string
  readonly on: 'postgres' | 'nats' | 'http'
  /** Whether the change is in the log by then. */
  readonly committed: boolean
}

const inTransaction = (name: string, sends: string, stop: Point['stop']): CrashPoint => ({
  ...{ name, sends, stop, on: 'postgres', behind: 'BEGIN; SET LOCAL', answered: isReadyForQuery },
  committed: sends === 'COMMIT' && stop === 'after',
})
const POINTS: readonly CrashPoint[] = [
  inTransaction('before the transaction begins', 'BEGIN; SET LOCAL', 'before'),
  inTransaction('before the lock is asked for', 'FOR UPDATE', 'before'),
  inTransaction('when the lock is held', 'FOR UPDATE', 'after'),
  inTransaction('before the append', 'append_revision(', 'before'),
  inTransaction('when it is appended', 'append_revision(', 'after'),
  inTransaction('before the answer is kept', 'INSERT INTO idempotency', 'before'),
  inTransaction('when the answer is kept', 'INSERT INTO idempotency', 'after'),
  inTransaction('before COMMIT', 'COMMIT', 'before'),
  inTransaction('when it is committed and nobody knows', 'COMMIT', 'after'),
  {
    ...{ name: 'when the answer is on its way', on: 'http', committed: true },
    ...{ sends: 'POST /admin/v1/backends', stop: 'after' },
    answered: (held) => held.includes('"revision":2'),
  },
  {
    ...{ name: 'when it is committed and not published', on: 'nats', committed: true },
    ...{ sends: '.config.revision.2 ', stop: 'before' },
  },
  {
    ...{ name: 'when it is published and not acknowledged', on: 'nats', committed: true },
    ...{
      sends: '.config.revision.2 ',
      stop: 'after',
      answered: (held) => held.includes('"seq":2'),
    },
  },
]

let nats: NatsServer
let database: FreshDatabase
let gates: Record<CrashPoint['on'], Gate>
let port: number
let fleet: string
let ends: (() => Promise<unknown>)[] = []
let count = 0

const natsIsHere = findNatsServer() !== undefined
if (!natsIsHere) it.skip(NO_NATS, () => {})
else describe('an admin API that is killed', describeCrashes)

function describeCrashes() {
  beforeAll(async () => {
    nats = await startNatsServer()
  }, EACH_MS)
  afterAll(() => nats?.stop())
  beforeEach(async () => {
    ends = []
    database = await freshDatabase()
    ends.unshift(() => database.drop())
    fleet = `crash-${++count}`
    port = await freePort()
    const [postgres, broker, http] = await Promise.all(
      [database.url, nats.url, `http://127.0.0.1:${port}`].map(openGate),
    )
    if (!postgres || !broker || !http) throw new Error('no gates')
    gates = { postgres, nats: broker, http }
    for (const gate of Object.values(gates)) ends.unshift(() => gate.close())
    ends.unshift(endProcesses)
  }, EACH_MS)
  afterEach(async () => {
    for (const stop of ends) await stop()
  }, EACH_MS)

  it.each(POINTS)('$name', checkCrash, EACH_MS)
}

async function checkCrash(point: CrashPoint): Promise<void> {
  const admin = await startAdmin()
  const follower = await startFollower()
  const kept = await post('b0')
  expect(kept?.status).toBe(201)
  await eventually(() => follower.heads.at(-1)?.revision === 1)

  const gate = gates[point.on]
  const reached = gate.arm(point)
  const asked = post('b1', { key: 'k1', base: gates.http.url })
  const held = await reached
  await end(admin, 'SIGKILL')
  gate.open()
  const first = await asked
  expect((await logOf()).length).toBe(point.committed ? 2 : 1)

  await startAdmin()
  await expectWhole(point.committed ? 2 : 1)
  expect(JSON.parse((await get('backends/b0')).text)).toEqual(JSON.parse(kept?.text ?? ''))
  expect((await get('backends/b1')).status).toBe(point.committed ? 200 : 404)

  // Whoever heard nothing asks again: one effect, and always the same answer.
  const again = await post('b1', { key: 'k1' })
  expect(again).toMatchObject({ status: 201, etag: '"2"' })
  expect(await post('b1', { key: 'k1' })).toEqual(again)
  // The publisher is woken by the commit, as the answer is: either may come first.
  if (point.on === 'nats' && first !== null) expect(first).toEqual(again)
  else expect(first).toBeNull()
  if (point.on === 'http') expect(held.toString('utf8').split('\r\n\r\n')[1]).toBe(again?.text)
  await expectWhole(2)

  // The log goes on, and whoever follows arrives at its end, by way of revisions of this log only.
  expect(await post('b2')).toMatchObject({ status: 201, etag: '"3"' })
  await expectWhole(3)
  const log = await logOf()
  expect(log.map(({ ids }) => ids)).toEqual([['b0'], ['b1'], ['b2']])
  await eventually(() => follower.heads.at(-1)?.revision === 3)
  const own = log.map(({ hash }) => hash)
  const seen = follower.heads.filter(({ revision }) => revision > 0)
  expect(seen.map(({ hash }) => hash)).toEqual(seen.map(({ revision }) => own[revision - 1]))
  const revisions = seen.map(({ revision }) => revision)
  expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b))
  expect(follower.following.state()).toMatchObject({ active: 3, behind: 0, nacks: [] })
}

async function startAdmin() {
  const env = fleetEnv({
    SIGNALBOX_FLEET: fleet,
    SIGNALBOX_NATS_URL: gates.nats.url.replace(/\/$/, ''),
    SIGNALBOX_DATABASE_URL: gates.postgres.url,
    SIGNALBOX_ADMIN_TOKEN: TOKEN,
    SIGNALBOX_ADMIN_LISTEN: `127.0.0.1:${port}`,
  })
  const isUp = async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).status === 200
  return untilUp(startProcess('admin-api', { env }), isUp)
}

/** A member of the fleet in this process; it lives through the crash. */
async function startFollower(): Promise<{ following: Following; heads: readonly Head[] }> {
  const shared = { clock: systemClock, random: Math.random, log: silentLog }
  const bus = await connectNats({ url: nats.url, fleet, ...shared })
  ends.unshift(() => bus.close())
  const heads: Head[] = []
  const following = follow({
    ...{ bus, disk: noDisk, trusts: () => true, ...shared },
    identity: { id: 'f1', role: 'proxy', labels: {}, version: 't' },
    onSnapshot: ({ head }) => {
      heads.push(head)
      return []
    },
    load: () => null,
  })
  ends.unshift(() => following.stop())
  return { following, heads }
}

interface Reply {
  readonly status: number
  readonly etag: string | null
  readonly location: string | null
  readonly revision: string | null
  readonly text: string
}

async function call(url: string, init: RequestInit): Promise<Reply> {
  const answer = await fetch(url, init)
  const { headers, status } = answer
  const [etag, location, revision] = ['etag', 'location', 'x-signalbox-revision'].map((name) =>
    headers.get(name),
  )
  const text = await answer.text()
  return {
    status,
    text,
    etag: etag ?? null,
    location: location ?? null,
    revision: revision ?? null,
  }
}

const AUTHORIZED = { authorization: `Bearer ${TOKEN}` }
const get = (path: string) =>
  call(`http://127.0.0.1:${port}/admin/v1/${path}`, { headers: AUTHORIZED })

/** Creates a backend; null where the connection was lost instead of an answer. */
function post(
  id: string,
  { key, base = `http://127.0.0.1:${port}` }: { key?: string; base?: string } = {},
): Promise<Reply | null> {
  const sent = call(new URL('/admin/v1/backends', base).href, {
    method: 'POST',
    headers: {
      ...AUTHORIZED,
      ...{ 'content-type': 'application/json', connection: 'close' },
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    },
    body: JSON.stringify({ id, spec: SPEC }),
  })
  return sent.catch(() => null)
}

async function expectWhole(revision: number): Promise<void> {
  const { status, text } = await get('audit/verify')
  expect([status, JSON.parse(text)]).toMatchObject([200, { ok: true, revision, problems: [] }])
}

/** The log as Postgres has it, past every process. */
async function logOf() {
  const options = { url: database.url, fleet, clock: systemClock, log: silentLog }
  const store = await openStore(options)
  try {
    return (await store.messagesAfter(0, 10)).map(({ hash, body }) => {
      const { events } = JSON.parse(body) as { events: { id: string }[] }
      return { hash, ids: events.map(({ id }) => id) }
    })
  } finally {
    await store.close()
  }
}
