// The admin API over real HTTP, on a real Postgres and the in-process bus.
import { createHub, type Hub, type HubBus } from '@signalbox/bus'
import { createMetrics, OPEN_METRICS, silentLog, systemClock } from '@signalbox/host'
import { type Heartbeat, type RevisionMessage } from '@signalbox/model'
import { openStore, type Store } from '@signalbox/store'
import { eventually, type FreshDatabase, freshDatabase } from '@signalbox/testing'
import { type RunningAdminApi, startAdminApi } from './start.ts'

const TOKENS = { admin: 'admin-token-0123456789', viewer: 'viewer-token-0123456789' }
const CANARY = 'sk-canary-51f0a9'
let database: FreshDatabase
let store: Store
let hub: Hub
let bus: HubBus
let api: RunningAdminApi
let base: string

beforeEach(async () => {
  database = await freshDatabase()
  store = await openStore({
    url: database.url,
    fleet: 'default',
    clock: systemClock,
    log: silentLog,
  })
  hub = createHub({ clock: systemClock })
  bus = hub.connect()
  const config = {
    fleet: 'default',
    tokens: TOKENS,
    masterKey: new Uint8Array(32).map((_, i) => i),
    listen: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    metricsAccess: OPEN_METRICS,
  } as const
  const deps = {
    store,
    bus,
    clock: systemClock,
    random: Math.random,
    log: silentLog,
    metrics: createMetrics(),
  }
  api = await startAdminApi(config, deps)
  base = api.address.kind === 'tcp' ? `http://127.0.0.1:${api.address.port}` : ''
})
afterEach(async () => {
  await api.stop()
  await bus.close()
  await store.close()
  await database.drop()
})

interface Call {
  readonly body?: unknown
  readonly headers?: Record<string, string>
  readonly token?: string
}

async function call(
  method: string,
  path: string,
  { body, headers = {}, token = TOKENS.admin }: Call = {},
) {
  const answer = await fetch(`${base}${path.startsWith('/') ? path : `/admin/v1/${path}`}`, {
    method,
    headers: {
      ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await answer.text()
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes, compared below
  const json: any = answer.headers.get('content-type')?.includes('json') ? JSON.parse(text) : null
  return { status: answer.status, headers: answer.headers, text, json }
}
const spec = { kind: 'vllm', url: 'http://127.0.0.1:8000', models: ['m1'] }
const add = (id: string, more: object = {}, options: Call = {}) =>
  call('POST', 'backends', { body: { id, spec: { ...spec, ...more } }, ...options })

describe('a resource', () => {
  it('is created, read, replaced, patched, listed and deleted, each as one revision', async () => {
    const created = await add('b1')
    expect([created.status, created.headers.get('etag'), created.headers.get('location')]).toEqual([
      201,
      '"1"',
      '/admin/v1/backends/b1',
    ])
    expect(
      (await call('PUT', 'backends/b1', { body: { spec: { ...spec, weight: 2 } } })).status,
    ).toBe(200)
    const patched = await call('PATCH', 'backends/b1', {
      body: { spec: { labels: { zone: 'a' } } },
    })
    expect(patched.json).toMatchObject({ revision: 3, spec: { weight: 2, labels: { zone: 'a' } } })
    expect((await call('GET', 'backends/b1')).json).toEqual(patched.json)
    expect((await call('GET', 'backends?label=zone=a&kind=vllm&q=B')).json.items).toHaveLength(1)
    expect((await call('GET', 'backends?label=zone=b')).json.items).toEqual([])
    expect((await call('DELETE', 'backends/b1')).status).toBe(204)
    expect((await call('GET', 'backends/b1')).status).toBe(404)
    expect((await call('GET', 'backends/b1?asOf=1')).json.spec.weight).toBe(1)
  })

  it('that does not change makes no revision', async () => {
    await add('b1')
    await call('PUT', 'backends/b1', { body: { spec } })
    expect((await call('GET', 'backends')).json.revision).toBe(1)
  })

  it('is listed in pages that are one consistent cut', async () => {
    for (const id of ['a', 'b', 'c']) await add(id)
    const first = (await call('GET', 'backends?limit=2')).json
    await call('DELETE', 'backends/c')
    const second = (await call('GET', `backends?limit=2&cursor=${first.nextCursor}`)).json
    expect([...first.items, ...second.items].map((item) => item.id)).toEqual(['a', 'b', 'c'])
    expect(second.nextCursor).toBeNull()
  })

  it.each([
    [
      '422 with paths',
      'POST',
      'backends',
      { id: 'x', spec: { kind: 'nope', url: 'ftp://x', extra: 1 } },
      422,
      'validation_failed',
    ],
    [
      '422 for an unknown member',
      'POST',
      'backends',
      { id: 'x', spec, more: 1 },
      422,
      'validation_failed',
    ],
    ['400 for broken JSON', 'POST', 'backends', '{"id":', 400, 'malformed_body'],
    ['400 for an unknown parameter', 'GET', 'backends?nope=1', undefined, 400, 'unknown_parameter'],
    [
      '409 for a dangling reference',
      'POST',
      'routes',
      { id: 'r', spec: { tiers: [{ targets: [{ backend: 'gone' }] }] } },
      409,
      'dangling_reference',
    ],
    ['404 for an unknown path', 'GET', 'nope', undefined, 404, 'not_found'],
    [
      '413 for a large body',
      'POST',
      'backends',
      { id: 'x', spec, pad: 'x'.repeat(300_000) },
      413,
      'admin_body_too_large',
    ],
  ])('is refused with %s, and nothing is written', async (_, method, path, body, status, code) => {
    const answer = await call(method, path, body === undefined ? {} : { body })
    expect([answer.status, answer.json.code]).toEqual([status, code])
    expect(answer.headers.get('content-type')).toMatch('application/problem+json')
    expect((await store.head()).revision).toBe(0)
  })

  it('with a wrong field names its path', async () => {
    const answer = await add('b1', { limits: { connections: 0 }, colour: 'red' })
    expect(answer.json.errors.map((e: { path: string }) => e.path).sort()).toEqual([
      'spec.colour',
      'spec.limits.connections',
    ])
  })

  it('that exists, or is referred to, is kept: 409 naming both ends', async () => {
    await add('b1')
    expect((await add('b1')).json.code).toBe('already_exists')
    await call('POST', 'routes', {
      body: { id: 'gpt', spec: { tiers: [{ targets: [{ backend: 'b1' }] }] } },
    })
    const refusedDelete = await call('DELETE', 'backends/b1')
    expect([refusedDelete.status, refusedDelete.json.code]).toEqual([409, 'still_referenced'])
    expect(refusedDelete.json.detail).toMatch(/gpt/)
    expect(refusedDelete.json.detail).toMatch(/b1/)
  })
})

describe('a write', () => {
  it('with a stale If-Match is 412 with the current value; with the right one it passes', async () => {
    await add('b1')
    await call('PATCH', 'backends/b1', {
      body: { spec: { weight: 3 } },
      headers: { 'if-match': '"1"' },
    })
    const stale = await call('PATCH', 'backends/b1', {
      body: { spec: { weight: 4 } },
      headers: { 'if-match': '"1"' },
    })
    expect([stale.status, stale.json.current.spec.weight]).toEqual([412, 3])
  })

  it('with an Idempotency-Key is answered again byte for byte, or refused with another body', async () => {
    const headers = { 'idempotency-key': 'k1' }
    const first = await add('b1', {}, { headers })
    const again = await add('b1', {}, { headers })
    expect([again.status, again.text]).toEqual([201, first.text])
    expect((await add('b2', {}, { headers })).json.code).toBe('idempotency_mismatch')
  })

  it('as a dry run shows the changes and writes nothing', async () => {
    const dry = await call('POST', 'backends?dryRun=true', { body: { id: 'b1', spec } })
    expect(dry.json).toMatchObject({
      dryRun: true,
      changes: [{ resource: 'backend', id: 'b1', op: 'created', before: null }],
    })
    expect((await store.head()).revision).toBe(0)
  })

  it('of several operations is one revision or none', async () => {
    const route = {
      op: 'create',
      resource: 'route',
      id: 'gpt',
      spec: { tiers: [{ targets: [{ backend: 'b1' }] }] },
    }
    const backend = { op: 'create', resource: 'backend', id: 'b1', spec }
    expect((await call('POST', 'changes', { body: { operations: [route] } })).status).toBe(409)
    const both = await call('POST', 'changes', {
      body: { reason: 'launch', operations: [route, backend] },
    })
    expect([both.status, both.json.revision]).toEqual([200, 1])
    expect((await call('GET', 'revisions/1')).json).toMatchObject({
      reason: 'launch',
      changes: [{}, {}],
    })
  })

  it('with ?wait answers when the live proxies have it, and says who has not', async () => {
    const heartbeat = (active: number): Heartbeat => ({
      id: 'p1',
      role: 'proxy',
      labels: {},
      version: 't',
      lineage: 'l',
      epoch: 1,
      received: active,
      active,
      state: 'live',
      nacks: [],
      load: null,
      sentAtMs: active,
    })
    const member = hub.connect()
    member.sendHeartbeat(heartbeat(0))
    await eventually(async () => (await call('GET', 'fleet')).json.members.length === 1)
    const late = await call('POST', 'backends?wait=50ms', { body: { id: 'b1', spec } })
    expect(late.json.convergence).toMatchObject({ acked: 0, pending: 1, laggards: [{ id: 'p1' }] })
    member.onRevision(({ revision }) => member.sendHeartbeat(heartbeat(revision)))
    const acked = await call('POST', 'backends?wait=5s', { body: { id: 'b2', spec } })
    expect(acked.json.convergence).toMatchObject({ acked: 1, pending: 0, nacked: 0 })
    expect((await call('GET', 'fleet')).json.members[0]).toMatchObject({
      id: 'p1',
      active: 2,
      lag: 0,
      live: true,
    })
    await member.close()
  })
})

describe('the audit log', () => {
  it('says who, when and why, with before and after', async () => {
    await add('b1', {}, { headers: { 'x-reason': 'first', 'x-request-id': 'req-1' } })
    await call('PATCH', 'backends/b1', { body: { spec: { weight: 5 } } })
    const { items } = (await call('GET', 'revisions')).json
    expect(items.map((item: { revision: number }) => item.revision)).toEqual([2, 1])
    expect(items[1]).toMatchObject({
      actor: 'admin',
      role: 'admin',
      source: 'api',
      reason: 'first',
      requestId: 'req-1',
    })
    expect(items[0].changes[0]).toMatchObject({
      op: 'updated',
      before: { weight: 1 },
      after: { weight: 5 },
    })
    expect(items[0].previousHash).toBe(items[1].hash)
    expect((await call('GET', 'revisions/9')).status).toBe(404)
  })
})

describe('access', () => {
  it('needs a token whose role reaches', async () => {
    expect((await call('GET', 'backends', { token: '' })).status).toBe(401)
    expect((await call('GET', 'backends', { token: 'wrong-token-0123456789' })).json.code).toBe(
      'unauthenticated',
    )
    expect((await call('GET', 'backends', { token: TOKENS.viewer })).status).toBe(200)
    expect((await add('b1', {}, { token: TOKENS.viewer })).json.code).toBe('forbidden')
    expect((await store.head()).revision).toBe(0)
  })

  it('to health, metrics and the reference needs none', async () => {
    for (const path of ['/healthz', '/readyz', '/metrics', '/openapi.json', '/docs']) {
      expect((await call('GET', path, { token: '' })).status).toBe(200)
    }
  })
})

describe('a credential', () => {
  it('is sealed, shown as its fingerprint, kept by a PUT that shows it back, and seen nowhere', async () => {
    const messages: RevisionMessage[] = []
    hub.connect().onRevision((message) => messages.push(message))
    const created = await add('b1', { apiKey: CANARY })
    expect(created.json.spec.credential).toEqual({ fingerprint: expect.any(String) })
    const kept = await call('PUT', 'backends/b1', {
      body: { spec: { ...created.json.spec, weight: 2 } },
    })
    expect(kept.json.spec.credential).toEqual(created.json.spec.credential)
    await eventually(() => messages.length >= 2)
    const seen = [created.text, kept.text, JSON.stringify(messages)]
    for (const path of ['backends', 'backends/b1', 'revisions', 'revisions/1', '/metrics'])
      seen.push((await call('GET', path)).text)
    seen.push(
      (await call('POST', 'backends', { body: { id: 'b1', spec: { ...spec, apiKey: CANARY } } }))
        .text,
    )
    seen.push(
      (
        await call('POST', 'backends', {
          body: { id: 'b9', spec: { ...spec, apiKey: `${CANARY}\n` } },
        })
      ).text,
    )
    expect(seen.join('\n')).not.toContain(CANARY)
  })
})

describe('trouble', () => {
  it('with the bus: writes commit and are published when it is back', async () => {
    bus.setConnected(false)
    expect((await add('b1')).status).toBe(201)
    const follower = hub.connect()
    const heard: number[] = []
    follower.onRevision(({ revision }) => heard.push(revision))
    bus.setConnected(true)
    await eventually(() => heard.includes(1))
    await follower.close()
  })
})
