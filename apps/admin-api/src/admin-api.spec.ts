import { type RevisionMessage, sealedOf } from '@signalbox/model'
import { eventually } from '@signalbox/testing'
import { openSealed } from '@signalbox/host'
import {
  type Api,
  type Call,
  type Called,
  MASTER_KEY,
  SPEC as spec,
  startApi,
  TOKENS,
} from './api-harness.ts'

const CANARY = 'sk-canary-51f0a9'
let at: Api

beforeEach(async () => {
  at = await startApi()
})
afterEach(() => at.end())

const call = (method: string, path: string, options?: Call) => at.call(method, path, options)
const add = (id: string, more?: object, options?: Call) => at.add(id, more, options)

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

  const broken = { id: 'x', spec: { kind: 'nope', url: 'ftp://x', extra: 1 } }
  const dangling = { id: 'r', spec: { tiers: [{ targets: [{ backend: 'gone' }] }] } }
  const large = { id: 'x', spec, pad: 'x'.repeat(300_000) }
  const withPem = (caPem: string) => ({ id: 'x', spec: { ...spec, tls: { caPem } } })
  it.each([
    { on: 'wrong fields', body: broken, status: 422, code: 'validation_failed' },
    {
      on: 'an unknown member',
      body: { id: 'x', spec, more: 1 },
      status: 422,
      code: 'validation_failed',
    },
    { on: 'broken JSON', body: '{"id":', status: 400, code: 'malformed_body' },
    { on: 'no body', status: 400, code: 'malformed_body' },
    { on: 'a NUL in a text', body: withPem('\0'), status: 400, code: 'malformed_body' },
    { on: 'half a surrogate', body: withPem('\ud800'), status: 400, code: 'malformed_body' },
    {
      on: 'a dangling target',
      to: 'routes',
      body: dangling,
      status: 409,
      code: 'dangling_reference',
    },
    { on: 'a large body', body: large, status: 413, code: 'admin_body_too_large' },
    { on: 'an unknown path', to: 'nope', body: {}, status: 404, code: 'not_found' },
    {
      on: 'an unknown parameter',
      to: 'backends?x=1',
      body: { id: 'x', spec },
      status: 400,
      code: 'unknown_parameter',
    },
    {
      on: 'too long a wait',
      to: 'backends?wait=61s',
      body: { id: 'x', spec },
      status: 400,
      code: 'unknown_parameter',
    },
    { on: 'a method it has not', to: 'fleet', body: {}, status: 405, code: 'method_not_allowed' },
  ])('refuses $on: $status $code, and nothing is written', async (row) => {
    const { to = 'backends', body, status, code } = row
    const answer = await call('POST', to, body === undefined ? {} : { body })
    expect([answer.status, answer.json.code]).toEqual([status, code])
    expect(answer.headers.get('content-type')).toMatch('application/problem+json')
    expect(answer.json).toMatchObject({ type: `/docs/errors#${code}`, status })
    expect(answer.json.requestId).toBe(answer.headers.get('x-request-id'))
    expect((await at.store.head()).revision).toBe(0)
  })

  it.each([
    { path: 'backends/%00', status: 404, code: 'not_found' },
    { path: 'backends/%zz', status: 400, code: 'unknown_parameter' },
    { path: 'backends/LONG', status: 404, code: 'not_found' },
    { path: 'revisions?id=%00', status: 400, code: 'unknown_parameter' },
    { path: 'backends?cursor=e30', status: 400, code: 'unknown_parameter' },
    { path: 'backends?limit=0', status: 400, code: 'unknown_parameter' },
    { path: 'backends?limit=1&limit=2', status: 400, code: 'unknown_parameter' },
    { path: 'backends?asOf=99', status: 404, code: 'not_found' },
    { path: 'backends?asOf=yesterday', status: 400, code: 'unknown_parameter' },
  ])('refuses to read $path', async ({ path, status, code }) => {
    const answer = await call('GET', path.replace('LONG', 'x'.repeat(600)))
    expect([answer.status, answer.json.code]).toEqual([status, code])
  })

  it('says which methods it has', async () => {
    const answer = await call('DELETE', 'backends')
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST'])
  })

  it('refuses another content type', async () => {
    const headers = { 'content-type': 'text/plain' }
    expect((await call('POST', 'backends', { body: '{}', headers })).status).toBe(415)
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
    expect((await at.store.head()).revision).toBe(0)
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

  it.each([
    ['gr%C3%B6%C3%9Fer', 'größer'],
    [Buffer.from('größer').toString('latin1'), 'größer'],
    ['größer', 'größer'],
    ['100% sure', '100% sure'],
  ])('keeps the reason %j as %j', async (sent, kept) => {
    await add('b1', {}, { headers: { 'x-reason': sent } })
    expect((await call('GET', 'revisions/1')).json.reason).toBe(kept)
  })

  it('records no caller that calls itself the system', async () => {
    const answer = await add('b1', {}, { headers: { 'x-signalbox-source': 'system' } })
    expect([answer.status, answer.json.code]).toEqual([400, 'unknown_parameter'])
    await add('b1', {}, { headers: { 'x-signalbox-source': 'cli' } })
    expect((await call('GET', 'revisions/1')).json.source).toBe('cli')
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
    expect((await at.store.head()).revision).toBe(0)
  })

  it('comes before everything else: neither bodies nor paths are looked at without a token', async () => {
    const blind = { token: '' }
    expect((await call('GET', 'nope', blind)).status).toBe(401)
    expect((await call('DELETE', 'fleet', blind)).status).toBe(401)
    expect((await call('POST', 'backends', { body: '{', ...blind })).status).toBe(401)
    expect((await add('b1', {}, { token: TOKENS.operator })).status).toBe(201)
  })

  it('to health, metrics and the reference needs none', async () => {
    for (const path of ['/healthz', '/readyz', '/metrics', '/openapi.json', '/docs']) {
      expect((await call('GET', path, { token: '' })).status).toBe(200)
    }
  })
})

describe('a page of elsewhere', () => {
  const headersOf = ({ headers }: Called) => [...headers.keys()]

  it('is allowed nothing: a preflight, and a call with an origin, get no Access-Control header', async () => {
    const origin = 'https://elsewhere.example'
    const asks = { origin, 'access-control-request-method': 'POST' }
    const before = await call('OPTIONS', 'backends', { headers: asks, token: '' })
    expect(before.status).toBeGreaterThanOrEqual(400)
    const read = await call('GET', 'backends', { headers: { origin } })
    expect(read.status).toBe(200)
    const open = await call('GET', '/openapi.json', { headers: { origin }, token: '' })
    for (const answer of [before, read, open]) {
      expect(headersOf(answer).filter((name) => name.startsWith('access-control'))).toEqual([])
    }
    expect(headersOf(read)).toContain('content-type')
  })

  it('is not needed by the reference: all that it loads is its own', async () => {
    const { text, headers } = await call('GET', '/docs', { token: '' })
    const loaded = [...text.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, path = '']) => path)
    expect(loaded).toHaveLength(3)
    const seen = [text]
    for (const path of loaded) {
      expect(path).toMatch(/^\/docs\/[\w.-]+$/)
      const part = await call('GET', path, { token: '' })
      expect([path, part.status]).toEqual([path, 200])
      if (path.endsWith('.css')) expect(part.text).not.toMatch(/url\(["']?(https?:)?\/\//)
      // The bundle's own texts name pages to read; what it loads is bounded by the policy.
      if (!path.includes('swagger-ui')) seen.push(part.text)
    }
    expect(seen.join('\n')).not.toMatch(/https?:|["'(]\/\//)
    expect(seen.join('\n')).toContain("url: '/openapi.json'")
    const policy = headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'")
    expect(policy).toContain("connect-src 'self'")
    expect(policy).not.toMatch(/https?:|\*/)
  })
})

describe('a credential', () => {
  it('is sealed, shown as its fingerprint, kept by a PUT that shows it back, and seen nowhere', async () => {
    const messages: RevisionMessage[] = []
    at.hub.connect().onRevision((message) => messages.push(message))
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
    seen.push((await call('GET', '/openapi.json')).text, ...at.logged)
    const dry = { id: 'b8', spec: { ...spec, apiKey: CANARY } }
    seen.push((await call('POST', 'backends?dryRun=true', { body: dry })).text)
    const headers = { 'if-match': '"999"' }
    const body = { spec: { ...spec, apiKey: CANARY } }
    const stale = await call('PUT', 'backends/b1', { body, headers })
    expect(stale.json.current.spec.credential).toEqual({ fingerprint: expect.any(String) })
    seen.push(stale.text)
    const stored = (await at.store.resource('backend', 'b1'))?.spec ?? {}
    const credential = sealedOf(stored)
    const place = 'default/backend/b1'
    const published = (await at.store.snapshotToPublish()).backends.get('b1')?.spec ?? {}
    const { sealed = '' } = sealedOf(published) ?? {}
    const opened = openSealed(sealed, { masterKey: MASTER_KEY }, place)
    expect(opened).toMatchObject({ text: CANARY })
    expect(seen.join('\n')).not.toContain(CANARY)
    expect(seen.join('\n')).toContain('"message":"request"')
    for (const text of seen.filter((one) => !one.startsWith('[{"lineage"')))
      expect(text).not.toContain(credential?.sealed)
  })
})
