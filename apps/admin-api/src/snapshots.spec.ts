import { silentLog, systemClock } from '@signalbox/host'
import {
  createHub,
  type HubBus,
  manifestSigner,
  manifestTrust,
  signManifest,
  takeSnapshot,
} from '@signalbox/bus'
import { decodeManifest, type Draft, type Head, ok, parseSpec, type Spec } from '@signalbox/model'
import { type Store } from '@signalbox/store'
import { type Api, startApi } from './api-harness.ts'
import { Snapshots } from './snapshots.ts'

const CONFIG = { masterKey: Buffer.alloc(32, 3), fleet: 'default' }
const sign = manifestSigner(CONFIG)
const trusts = manifestTrust(CONFIG)

let at: Api
let bus: HubBus
let chunksPut = 0
let warnings: unknown[] = []

beforeAll(async () => {
  at = await startApi()
})

afterAll(() => at.end())

beforeEach(() => {
  chunksPut = 0
  warnings = []
  bus = createHub({ clock: systemClock }).connect()
  const put = bus.publishChunk.bind(bus)
  bus.publishChunk = (chunk) => {
    chunksPut++
    return put(chunk)
  }
})

const log = { ...silentLog, warn: (fields: object) => void warnings.push(fields) }
const rest = () => ({ bus, clock: systemClock, log, sign, trusts })
const snapshots = () => new Snapshots({ store: at.store, ...rest() })
const taken = () => takeSnapshot({ bus, trusts, log: silentLog })

async function write(store: Store, drafts: readonly Draft[]): Promise<void> {
  const outcome = await store.write({
    intent: {
      actor: { id: 't', role: 'admin' },
      ...{ source: 'system', reason: null, requestId: 't', changeRef: null, address: null },
    },
    idempotency: null,
    dryRun: false,
    decide: () => ok(drafts),
    present: () => ({ status: 200, headers: {}, body: '' }),
  })
  expect(outcome.kind).toBe('committed')
}

function backends(from: number, count: number): readonly Draft[] {
  return Array.from({ length: count }, (_, nth) => {
    const id = `b-${String(from + nth).padStart(6, '0')}`
    const spec = parseSpec('backend', { kind: 'vllm', url: 'http://127.0.0.1:1', models: ['m'] })
    if (!spec.ok) throw new Error('no spec')
    const value: Spec = spec.value
    return { type: 'backend.created', resource: 'backend', id, version: 1, spec: value }
  })
}

it('are all that the log says, page by page; then what was changed, and no more', async () => {
  await write(at.store, backends(0, 2_600))
  await at.add('first')
  expect(await snapshots().publish()).toBe(2)
  expect(await taken()).toEqual(await at.store.snapshot())
  const whole = chunksPut
  expect(whole).toBeGreaterThan(2)
  await at.call('PATCH', 'backends/b-001500', { body: { spec: { weight: 7 } } })
  await at.call('DELETE', 'backends/b-000001')
  await write(at.store, backends(2_600, 1_300))
  expect(await snapshots().publish()).toBe(5)
  expect(await taken()).toEqual(await at.store.snapshot())
  expect(chunksPut - whole).toBeLessThan(whole + 2)
  chunksPut = 0
  await at.call('PATCH', 'backends/first', { body: { spec: { weight: 7 } } })
  expect(await snapshots().publish()).toBe(6)
  expect(chunksPut).toBeLessThanOrEqual(2)
  expect(await taken()).toEqual(await at.store.snapshot())
  chunksPut = 0
  expect(await snapshots().publish()).toBe(6)
  expect(chunksPut).toBe(0)
  expect(warnings).toEqual([])
})

it('are made anew where a chunk of the one before is gone, and say so', async () => {
  const before = await snapshots().publish()
  const missing = bus.snapshotChunk.bind(bus)
  bus.snapshotChunk = () => Promise.resolve(null)
  await at.call('PATCH', 'backends/first', { body: { spec: { weight: 3 } } })
  expect(await snapshots().publish()).toBe(before + 1)
  bus.snapshotChunk = missing
  expect(await taken()).toEqual(await at.store.snapshot())
  expect(warnings).toEqual([{ problem: expect.stringMatching(/the bus does not have it/) }])
})

it('replace one that another key has signed, and one of a history that was lost', async () => {
  const other = manifestSigner({ ...CONFIG, masterKey: Buffer.alloc(32, 9) })
  await new Snapshots({ store: at.store, ...rest(), sign: other }).publish()
  expect(await taken()).toBeNull()
  await snapshots().publish()
  expect(warnings).toEqual([{ problem: 'it is not signed with a key of this fleet' }])
  // Of the same number, with another hash: the log lost its tail and went on.
  const now = await at.store.head()
  const lost: Head = { ...now, hash: '0'.repeat(64) }
  const store = { ...at.store, head: () => Promise.resolve(lost) }
  const visited = async (visit: Parameters<Store['visitToPublish']>[0]) => {
    await at.store.visitToPublish(visit)
    return lost
  }
  await new Snapshots({
    store: { ...store, visitToPublish: visited },
    ...rest(),
  }).publish()
  await at.call('PATCH', 'backends/first', { body: { spec: { weight: 4 } } })
  await snapshots().publish()
  expect(await taken()).toEqual(await at.store.snapshot())
})

it('are left alone by who knows less than they say', async () => {
  await snapshots().publish()
  const signed = await bus.latestManifest()
  const manifest = decodeManifest(signed?.text ?? '')
  expect(manifest.ok).toBe(true)
  const now = await at.store.head()
  const store = { ...at.store, head: () => Promise.resolve({ ...now, revision: 1 }) }
  expect(await new Snapshots({ store, ...rest() }).publish()).toBe(1)
  expect(await bus.latestManifest()).toEqual(signed)
})

it('ends when it is told to, and a new one may be begun', async () => {
  const one = snapshots()
  const made = one.publish()
  one.abort('enough')
  await expect(made).rejects.toThrow('enough')
  expect(await bus.latestManifest()).toBeNull()
  expect(await one.publish()).toBe((await at.store.head()).revision)
})

it('is made once for all who ask meanwhile', async () => {
  const one = snapshots()
  expect(one.publish()).toBe(one.publish())
  await one.publish()
  expect((await taken())?.head).toEqual(await at.store.head())
})

it('is published anew where only the shapes in it are newer', async () => {
  await snapshots().publish()
  const there = await bus.latestManifest()
  const { manifest, schema, ...rest } = JSON.parse(there?.text ?? '')
  const older = decodeManifest(JSON.stringify({ manifest, schema: schema - 1, ...rest }))
  if (!older.ok) throw new Error(older.error)
  await bus.publishManifest(signManifest(older.value, sign), there)
  await snapshots().publish()
  expect(await bus.latestManifest()).toMatchObject({ text: there?.text })
  chunksPut = 0
  await snapshots().publish()
  expect(chunksPut).toBe(0)
})
