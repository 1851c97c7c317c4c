// Keys and principals over real HTTP: made, shown once, rotated, revoked; who may.
import { eventually } from '@signalbox/testing'
import pg from 'pg'
import { type Api, startApi, TOKENS } from './api-harness.ts'

let api: Api
let databaseUrl: string
beforeEach(async () => {
  api = await startApi((url) => {
    databaseUrl = url
    return Promise.resolve(url)
  })
})
afterEach(() => api.end())

const addKey = (id: string, spec: object = {}, headers: Record<string, string> = {}) =>
  api.call('POST', 'keys', { body: { id, spec }, headers })

/** Every text of every table. */
async function wholeDatabase(): Promise<string> {
  const client = new pg.Client(databaseUrl)
  await client.connect()
  const names = ['event', 'resource', 'idempotency', 'denial', 'checkpoint']
  const tables = await Promise.all(
    names.map((name) => client.query(`SELECT t::text FROM ${name} t`)),
  )
  const { rows } = await client.query(`SELECT convert_from(body, 'UTF8') AS t FROM revision`)
  await client.end()
  return [...tables.flatMap((table) => table.rows), ...rows].map(({ t }) => t).join('\n')
}

describe('a key', () => {
  it('is shown once, and of it only a hash is kept', async () => {
    const { status, json } = await addKey('k1', { name: 'a client' })
    expect(status).toBe(201)
    expect(json.token).toMatch(/^sbx-[A-Za-z0-9_-]{43}$/)
    const read = await api.call('GET', 'keys/k1')
    expect(read.json.spec).toMatchObject({ routes: ['*'], enabled: true, name: 'a client' })
    expect(read.json.spec.fingerprint).toMatch(/^[0-9a-f]{12}$/)
    expect(read.text).not.toMatch(/hash|sbx-/)
    expect(await wholeDatabase()).not.toContain(json.token)
    expect(api.logged.join('\n')).not.toContain(json.token)
    const [{ after }] = (await api.call('GET', 'revisions')).json.items[0].changes
    expect(Object.keys(after).sort()).toEqual([
      'enabled',
      'fingerprint',
      'labels',
      'metadata',
      'name',
      'routes',
    ])
  })

  it('is the same again when the same call is repeated, and sealed until then', async () => {
    const headers = { 'idempotency-key': 'once' }
    const first = await addKey('k1', {}, headers)
    expect(await wholeDatabase()).not.toContain(first.json.token)
    const second = await addKey('k1', {}, headers)
    expect([second.status, second.text]).toEqual([first.status, first.text])
  })

  it('keeps its token when it is changed or put back as it was read', async () => {
    await addKey('k1')
    const { spec } = (await api.call('GET', 'keys/k1')).json
    const put = await api.call('PUT', 'keys/k1', { body: { spec: { ...spec, routes: ['m'] } } })
    expect([put.status, put.json.token]).toEqual([200, undefined])
    expect(put.json.spec.fingerprint).toBe(spec.fingerprint)
    const off = await api.call('PATCH', 'keys/k1', { body: { spec: { enabled: false } } })
    expect(off.json.spec).toMatchObject({ enabled: false, fingerprint: spec.fingerprint })
  })

  it('is rotated: a new token, and the former one for a while', async () => {
    const { token, spec } = (await addKey('k1')).json
    const { status, json } = await api.call('POST', 'keys/k1/rotate', { body: { overlap: '1h' } })
    expect(status).toBe(200)
    expect(json.token).toMatch(/^sbx-/)
    expect(json.token).not.toBe(token)
    expect(json.spec.previous).toMatchObject({ fingerprint: spec.fingerprint })
    const again = await api.call('PUT', 'keys/k1', { body: { spec: json.spec } })
    expect(again.json.spec).toEqual(json.spec)
    const over = await api.call('PATCH', 'keys/k1', { body: { spec: { previous: null } } })
    expect(over.json.spec.previous).toBeUndefined()
    const hard = await api.call('POST', 'keys/k1/rotate')
    expect([hard.status, hard.json.spec.previous]).toEqual([200, undefined])
  })

  it('comes with several others in one change, each with its token', async () => {
    const operations = ['a', 'b'].map((id) => ({ op: 'create', resource: 'key', id, spec: {} }))
    const { json } = await api.call('POST', 'changes', { body: { operations } })
    expect(json.tokens.map((one: { id: string }) => one.id)).toEqual(['a', 'b'])
    expect(new Set(json.tokens.map((one: { token: string }) => one.token)).size).toBe(2)
  })

  it('is not made by a dry run, nor comes back with a rollback of all', async () => {
    const dry = await api.call('POST', 'keys?dryRun=true', { body: { id: 'k1', spec: {} } })
    expect(dry.text).not.toMatch(/sbx-|"hash"/)
    await addKey('k1')
    await api.call('DELETE', 'keys/k1')
    const back = await api.call('POST', 'rollback', { body: { toRevision: 1 } })
    expect(back.json.changes).toEqual([])
    expect((await api.call('GET', 'keys/k1')).status).toBe(404)
  })

  it.each([
    [{ hash: 'a'.repeat(64) }, 'spec.hash'],
    [{ previous: { hash: 'a'.repeat(64), until: '2027-01-01T00:00:00Z' } }, 'spec.previous.hash'],
    [{ fingerprint: 'abc' }, 'spec.fingerprint'],
    [{ expiresAt: 'tomorrow' }, 'spec.expiresAt'],
    [{ expiresAt: '2027-01-01T00:00Z' }, 'spec.expiresAt'],
    [{ routes: [] }, 'spec.routes'],
    [{ quota: 5 }, 'spec.quota'],
  ])('is refused with %j', async (spec, path) => {
    const { status, json } = await addKey('k1', spec)
    expect([status, json.errors?.[0]?.path]).toEqual([422, path])
  })

  it.each([{ overlap: 5 }, { overlap: 'soon' }, { overlap: '9000h' }, { more: 1 }])(
    'is not rotated with %j',
    async (body) => {
      await addKey('k1')
      expect((await api.call('POST', 'keys/k1/rotate', { body })).status).toBe(422)
    },
  )

  it('that is not there is not rotated', async () => {
    expect((await api.call('POST', 'keys/none/rotate')).status).toBe(404)
  })
})

describe('a principal', () => {
  const addPrincipal = (id: string, spec: object, token = TOKENS.admin) =>
    api.call('POST', 'principals', { body: { id, spec }, token })
  const asks = async (token: string, method = 'GET', path = 'backends', body?: unknown) =>
    (await api.call(method, path, { token, ...(body === undefined ? {} : { body }) })).status

  it('calls with its token by its role, is named in the audit, and is out when revoked', async () => {
    const { json } = await addPrincipal('ci', { role: 'operator' })
    expect(json.token).toMatch(/^sba-/)
    await eventually(async () => (await asks(json.token)) === 200)
    const body = { id: 'p', spec: {} }
    expect(await asks(json.token, 'POST', 'policies', body)).toBe(201)
    expect((await api.call('GET', 'revisions/2')).json).toMatchObject({
      actor: 'ci',
      role: 'operator',
    })
    await api.call('PATCH', 'principals/ci', { body: { spec: { enabled: false } } })
    await eventually(async () => (await asks(json.token)) === 401)
  })

  it('is over when it has expired', async () => {
    const { json } = await addPrincipal('old', { role: 'admin', expiresAt: '2020-01-01T00:00:00Z' })
    const other = (await addPrincipal('new', { role: 'viewer' })).json
    await eventually(async () => (await asks(other.token)) === 200)
    expect(await asks(json.token)).toBe(401)
  })

  it('is rotated with an overlap', async () => {
    const { token } = (await addPrincipal('ci', { role: 'viewer' })).json
    const { json } = await api.call('POST', 'principals/ci/rotate', { body: { overlap: '1h' } })
    await eventually(async () => (await asks(json.token)) === 200)
    expect(await asks(token)).toBe(200)
    await api.call('POST', 'principals/ci/rotate')
    await eventually(async () => (await asks(token)) === 401)
  })

  it('is made and changed by an admin alone, whatever the call', async () => {
    const token = TOKENS.operator
    const spec = { role: 'admin' }
    const operations = [{ op: 'create', resource: 'principal', id: 'me', spec }]
    expect((await addPrincipal('me', spec, token)).status).toBe(403)
    expect(await asks(token, 'PUT', 'principals/me', { spec })).toBe(403)
    expect(await asks(token, 'POST', 'changes', { operations })).toBe(403)
    await addPrincipal('boss', spec)
    await api.call('DELETE', 'principals/boss')
    const resources = [{ resource: 'principal', id: 'boss' }]
    expect(await asks(token, 'POST', 'rollback', { toRevision: 1, resources })).toBe(403)
    expect(await asks(token, 'POST', 'principals/boss/rotate')).toBe(403)
    expect((await api.call('GET', 'principals')).json.items).toEqual([])
  })

  it('cannot have the name of one of the environment, so that nobody is taken for another', async () => {
    for (const id of ['admin', 'operator', 'viewer']) {
      const { status, json } = await addPrincipal(id, { role: 'viewer' })
      expect([status, json.errors?.[0]?.path]).toEqual([422, 'id'])
    }
  })

  it('is known when it was last used', async () => {
    const uses = new Map([['ci', new Date('2026-01-02T00:00:00Z')]])
    await api.store.noteUses(uses)
    await api.store.noteUses(new Map([['ci', new Date('2026-01-01T00:00:00Z')]]))
    expect(await api.store.lastUses()).toEqual(uses)
    await addPrincipal('ci', { role: 'viewer' })
    const ci = { principal: 'ci', at: '2026-01-02T00:00:00.000Z' }
    const first = (await api.call('GET', 'audit/last-uses')).json
    expect(first).toEqual({ items: [ci], nextCursor: null })
    await api.store.noteUses(new Map([['bot', new Date('2026-01-02T00:00:00Z')]]))
    const { items, nextCursor } = (await api.call('GET', 'audit/last-uses?limit=1')).json
    expect(items).toMatchObject([{ principal: 'bot' }])
    const rest = `audit/last-uses?limit=1&cursor=${nextCursor}`
    expect((await api.call('GET', rest)).json).toEqual({ items: [ci], nextCursor: null })
  })
})

describe('the settings', () => {
  it('are one resource, of one id', async () => {
    const spec = { clientAuth: 'blocking' }
    expect((await api.call('PUT', 'settings/default', { body: { spec } })).status).toBe(201)
    expect((await api.call('GET', 'settings/default')).json.spec).toMatchObject(spec)
    expect((await api.call('PUT', 'settings/other', { body: { spec } })).status).toBe(422)
    const wrong = await api.call('PUT', 'settings/default', {
      body: { spec: { clientAuth: 'no' } },
    })
    expect(wrong.json.errors[0].path).toBe('spec.clientAuth')
  })
})
