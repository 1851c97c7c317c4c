// A rotation of the master key, in the order of docs/secrets.md, over real HTTP on a real Postgres.
import { fingerprint, keyIdOf, openSealed, seal, silentLog } from '@signalbox/host'
import { dataKeyOf, type Intent, ok, parseSpec, sealedTextOf } from '@signalbox/model'
import { type WriteRequest } from '@signalbox/store'
import { manualClock } from '@signalbox/testing'
import {
  type Api,
  type Call,
  type Called,
  MASTER_KEY,
  SPEC,
  startApi,
  TOKENS,
} from './api-harness.ts'
import { CHECKPOINT_MS, Checkpoints } from './checkpoints.ts'
import { KEPT_PAGE, KeptAnswers } from './kept-answers.ts'

const NEW_KEY = new Uint8Array(32).map((_, i) => 255 - i)
const [OLD, NEW] = [keyIdOf(MASTER_KEY), keyIdOf(NEW_KEY)]
const BOTH = { masterKey: NEW_KEY, previousMasterKeys: [MASTER_KEY] }
const INTENT: Intent = {
  actor: { id: 'tester', role: 'admin' },
  source: 'api',
  reason: null,
  requestId: 'r',
  changeRef: null,
  address: null,
}
let api: Api
beforeEach(async () => {
  api = await startApi()
})
afterEach(() => api.end())

type Ask = (method: string, path: string, options?: Call) => Promise<Called>
const fill = async (call: Ask) => {
  await call('POST', 'secrets', { body: { id: 's', spec: { value: 'sk-one' } } })
  await api.add('own', { apiKey: 'sk-two' })
  await api.add('refers', { credential: { secret: 's' } })
  const headers = { 'idempotency-key': 'k' }
  return call('POST', 'keys', { body: { id: 'k', spec: {} }, headers })
}

/** A backend as an earlier version wrote it: its credential is under the master key itself. */
function asOfOld(id: string, value: string, key: Uint8Array): WriteRequest {
  const sealed = seal(value, key, `default/backend/${id}`)
  const spec = parseSpec('backend', {
    ...SPEC,
    credential: { sealed, fingerprint: fingerprint(value, key) },
  })
  if (!spec.ok) throw new Error('wrong spec')
  const draft = { type: 'backend.created', resource: 'backend', id, version: 1 } as const
  return {
    ...{ intent: INTENT, idempotency: null, dryRun: false },
    decide: () => ok([{ ...draft, spec: spec.value }]),
    present: () => ({ status: 201, headers: {}, body: '' }),
  }
}

/** What a proxy with this master key alone opens of the present state. */
async function opened(masterKey: Uint8Array) {
  const { secrets, backends } = await api.store.snapshotToPublish()
  const all = [
    ...[...secrets.values()].map((one) => [`secret/${one.id}`, one.spec] as const),
    ...[...backends.values()].map((one) => [`backend/${one.id}`, one.spec] as const),
  ]
  return Object.fromEntries(
    all.flatMap(([place, spec]) => {
      const sealed = sealedTextOf(spec)
      if (sealed === undefined) return []
      const found = openSealed(sealed, { masterKey }, `default/${place}`)
      return [[place, found.ok ? found.text : null]]
    }),
  )
}

it('leaves nothing under the former key, and interrupts nobody', async () => {
  const made = await fill(api.call)
  const { call } = await api.again(BOTH)
  const before = await call('GET', 'secrets/status')
  expect(before.json).toMatchObject({
    ...{ key: NEW, previousKeys: [OLD], remaining: 2, missing: [], answersRemaining: 1 },
    keys: [
      { key: NEW, state: 'current', secrets: 0, backends: 0 },
      { key: OLD, state: 'previous', secrets: 1, backends: 1 },
    ],
  })
  const exported = (await call('GET', 'config')).json
  const headers = { 'idempotency-key': 'k' }
  const replay = await call('POST', 'keys', { body: { id: 'k', spec: {} }, headers })
  expect([replay.status, replay.text]).toEqual([201, made.text])

  const rewrapped = await call('POST', 'secrets/rewrap')
  expect(rewrapped.json).toMatchObject({ resealed: 2, remaining: 0, revision: 5 })
  expect((await call('POST', 'secrets/rewrap')).json).toMatchObject({ resealed: 0, revision: 5 })
  expect(await opened(NEW_KEY)).toEqual({ 'secret/s': 'sk-one', 'backend/own': 'sk-two' })
  const applied = await call('PUT', 'config?prune=true', { body: exported })
  expect(applied.json.changes).toEqual([])

  const { call: alone } = await api.again({ masterKey: NEW_KEY })
  expect((await alone('GET', 'secrets/status')).json).toMatchObject({
    ...{ remaining: 0, missing: [], answersRemaining: 0 },
    keys: [{ key: NEW, state: 'current', secrets: 1, backends: 1 }],
  })
})

it('looks at all answers that are kept, however many', async () => {
  const kept = new KeptAnswers({ fleet: 'default', masterKey: MASTER_KEY }, api.store)
  const count = KEPT_PAGE + 1
  const keep = (nth: number) =>
    api.store.write({
      intent: { ...INTENT, requestId: `r-${nth}` },
      idempotency: { key: `k-${nth}`, requestHash: 'h' },
      dryRun: false,
      decide: () => ok([]),
      present: () => ({ status: 200, headers: {}, body: kept.sealed(`token ${nth}`) }),
    })
  await Promise.all(Array.from({ length: count }, (_, nth) => keep(nth)))
  const { call } = await api.again(BOTH)
  expect((await call('GET', 'secrets/status')).json.answersRemaining).toBe(count)
  await call('POST', 'secrets/rewrap')
  const { call: alone } = await api.again({ masterKey: NEW_KEY })
  expect((await alone('GET', 'secrets/status')).json.answersRemaining).toBe(0)
  const all = await api.store.keptAnswers('sealed:', { after: '', limit: 2 * count })
  const opened = all.map(({ key, body }) => [
    key,
    new KeptAnswers({ fleet: 'default', masterKey: NEW_KEY }, api.store).opened({
      ...{ status: 200, headers: {}, body },
    }).body,
  ])
  expect(opened.length).toBe(count)
  expect(opened).toContainEqual([`k-${KEPT_PAGE}`, `token ${KEPT_PAGE}`])
})

it('is for admins, and a dry run writes nothing', async () => {
  await fill(api.call)
  const { call } = await api.again(BOTH)
  const refused = await call('POST', 'secrets/rewrap', { token: TOKENS.operator })
  expect([refused.status, refused.json.code]).toEqual([403, 'forbidden'])
  const dry = await call('POST', 'secrets/rewrap?dryRun=true')
  expect(dry.json.changes).toHaveLength(2)
  expect((await call('GET', 'secrets/status')).json.remaining).toBe(2)
})

it('goes in revisions of a bounded size, until nothing remains', async () => {
  const caPem = 'x'.repeat(60_000)
  for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) {
    await api.add(id, { apiKey: `sk-${id}`, tls: { caPem } })
  }
  const { call } = await api.again(BOTH)
  const counts: number[] = []
  for (let remaining = 1; remaining > 0;) {
    const { json } = await call('POST', 'secrets/rewrap')
    counts.push(json.resealed)
    remaining = json.remaining
  }
  expect(counts).toEqual([4, 2])
})

it('an instance without a key says which one is missing, and goes on with the rest', async () => {
  await fill(api.call)
  const { call } = await api.again({ masterKey: NEW_KEY })
  const status = await call('GET', 'secrets/status')
  expect(status.json).toMatchObject({ remaining: 0, missing: ['secret/s', 'backend/own'] })
  expect((await call('PATCH', 'backends/own', { body: { spec: { weight: 2 } } })).status).toBe(200)
  const replay = await call('POST', 'keys', {
    ...{ body: { id: 'k', spec: {} }, headers: { 'idempotency-key': 'k' } },
  })
  expect([replay.status, replay.json.code]).toEqual([422, 'idempotency_mismatch'])
})

describe('a rollback over a rotation', () => {
  const weight = (call: Ask, value: number) =>
    call('PATCH', 'backends/own', { body: { spec: { weight: value } } })
  const back = (call: Ask, toRevision: number) => call('POST', 'rollback', { body: { toRevision } })

  it('keeps the new seal of what is the same credential', async () => {
    await fill(api.call)
    const { call } = await api.again(BOTH)
    await call('POST', 'secrets/rewrap')
    await weight(call, 7)
    const { call: alone } = await api.again({ masterKey: NEW_KEY })
    expect((await back(alone, 3)).status).toBe(200)
    expect((await alone('GET', 'backends/own')).json.spec.weight).toBe(1)
    expect((await alone('GET', 'secrets/status')).json.missing).toEqual([])
  })

  it('seals anew what it brings back, and is refused where the key has gone', async () => {
    await api.store.write(asOfOld('own', 'sk-old', MASTER_KEY))
    await api.call('PATCH', 'backends/own', { body: { spec: { apiKey: 'sk-three' } } })
    const { call } = await api.again(BOTH)
    await call('POST', 'secrets/rewrap')
    const { call: alone } = await api.again({ masterKey: NEW_KEY })
    const refused = await back(alone, 1)
    expect([refused.status, refused.json.code]).toEqual([409, 'master_key_missing'])
    expect(refused.json.detail).toContain(OLD)
    expect((await back(call, 1)).status).toBe(200)
    expect((await alone('GET', 'secrets/status')).json).toMatchObject({
      ...{ missing: [], remaining: 0 },
    })
    expect(await opened(NEW_KEY)).toEqual({ 'backend/own': 'sk-old' })
  })
})

describe('what was sealed before there were data keys', () => {
  it('gets one of its own by a rewrap, and is read until then', async () => {
    await api.store.write(asOfOld('old', 'sk-old', MASTER_KEY))
    expect(await opened(MASTER_KEY)).toEqual({ 'backend/old': 'sk-old' })
    const before = (await api.call('GET', 'backends/old')).json.spec.credential
    expect((await api.call('GET', 'secrets/status')).json).toMatchObject({
      ...{ remaining: 1, keys: [{ key: OLD, state: 'current', backends: 1 }] },
    })
    expect((await api.call('POST', 'secrets/rewrap')).json).toMatchObject({
      ...{ resealed: 1, remaining: 0, keys: [{ key: OLD, backends: 1 }] },
    })
    const [row] = await api.store.sealed({ resource: 'backend', after: '', limit: 9 })
    expect([dataKeyOf(row?.sealed ?? ''), row?.wrapped]).toEqual([
      ...[expect.stringMatching(/^[\w-]{22}$/), expect.stringMatching(`^${OLD}\\.`)],
    ])
    expect(await opened(MASTER_KEY)).toEqual({ 'backend/old': 'sk-old' })
    expect((await api.call('GET', 'backends/old')).json.spec.credential).toEqual(before)
  })
})

it('checkpoints of a former key are passed over once a later one is good', async () => {
  await fill(api.call)
  const clock = manualClock()
  const sign = async (masterKey: Uint8Array) => {
    const config = { fleet: 'default', masterKey }
    const checkpoints = new Checkpoints({ config, store: api.store, clock, log: silentLog })
    clock.advance(CHECKPOINT_MS)
    await checkpoints.stop()
  }
  await sign(MASTER_KEY)
  const { call: both } = await api.again(BOTH)
  expect((await both('GET', 'audit/verify')).json).toMatchObject({ ok: true, checkpoints: 1 })
  const { call: alone } = await api.again({ masterKey: NEW_KEY })
  expect((await alone('GET', 'audit/verify')).json).toMatchObject({
    ok: false,
    problems: [{ message: 'its checkpoint: not signed with this key' }],
  })
  await both('POST', 'secrets/rewrap')
  await sign(NEW_KEY)
  expect((await alone('GET', 'audit/verify')).json).toMatchObject({ ok: true, checkpoints: 1 })
})

it('text that was sealed elsewhere is never taken in', async () => {
  const sealed = seal('sk', MASTER_KEY, 'default/secret/s')
  const spec = { sealed, fingerprint: 'f' }
  expect((await api.call('POST', 'secrets', { body: { id: 's', spec } })).status).toBe(422)
})
