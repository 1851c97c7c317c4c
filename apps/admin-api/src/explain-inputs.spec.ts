// What a request would bring along, said to POST /explain.
import { hashBytes, hashText } from '@signalbox/routing'
import { systemClock } from '@signalbox/host'
import { type Api, startApi, TOKENS } from './api-harness.ts'

let api: Api
let aheadMs = 0
beforeAll(async () => {
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs }
  api = await startApi((url) => Promise.resolve(url), clock)
  for (const id of ['b1', 'b2', 'b3']) await api.add(id)
  await api.add('claude', { kind: 'anthropic', models: ['m2'] })
  await api.add('plain', { models: ['m2'] })
})
afterAll(() => api.end())

const explain = async (body: object) =>
  (await api.call('POST', 'explain', { body, token: TOKENS.viewer })).json
const put = (path: string, spec: object) => api.call('PUT', path, { body: { spec } })

describe('key', () => {
  beforeAll(async () => {
    const tiers = [{ targets: [{ backend: 'b1', model: 'm1' }] }]
    await put('routes/chat', { tiers, aliases: ['talk'] })
    const keys = [
      ['all', {}],
      ['by-id', { routes: ['chat'] }],
      ['by-alias', { routes: ['talk'] }],
      ['off', { enabled: false }],
      ['over', { expiresAt: '2020-01-01T00:00:00Z' }],
    ] as const
    for (const [id, spec] of keys) await api.call('POST', 'keys', { body: { id, spec } })
  })

  it.each([
    ['all', 'chat', 'picked'],
    ['all', 'm1', 'picked'],
    ['by-id', 'talk', 'picked'],
    ['by-alias', 'talk', 'picked'],
    ['by-alias', 'chat', 'key_not_allowed'],
    ['by-id', 'm1', 'key_not_allowed'],
    ['by-id', 'nothing', 'model_not_found'],
    ['off', 'nothing', 'invalid_key'],
    ['over', 'chat', 'invalid_key'],
    ['nobody', 'chat', 'invalid_key'],
  ])('%s asking for %s: %s', async (key, model, outcome) => {
    const found = await explain({ model, key })
    expect([found.outcome, found.picked !== null]).toEqual([outcome, outcome === 'picked'])
    // Whose key is good and knows which route it may not use.
    const known = outcome === 'picked' || outcome === 'key_not_allowed'
    expect(found.route !== null).toBe(known)
  })

  it('of none is refused where the fleet is blocking, as it was then', async () => {
    expect((await explain({ model: 'chat', key: null })).outcome).toBe('picked')
    const { revision } = await api.store.head()
    await put('settings/default', { clientAuth: 'blocking' })
    expect((await explain({ model: 'chat', key: null })).outcome).toBe('missing_key')
    expect((await explain({ model: 'chat' })).outcome).toBe('picked')
    expect((await explain({ model: 'chat', key: null, revision })).outcome).toBe('picked')
    expect((await explain({ model: 'chat', key: 'all', revision: 3 })).outcome).toBe('invalid_key')
  })
})

it('a key is judged by the time of the revision that is asked about', async () => {
  const hourMs = 3_600_000
  const expiresAt = new Date(Date.now() + hourMs).toISOString()
  await api.call('POST', 'keys', { body: { id: 'brief', spec: { expiresAt } } })
  const { revision } = await api.store.head()
  const asked = { model: 'm1', key: 'brief' }
  const outcomeAt = async (more: object) => (await explain({ ...asked, ...more })).outcome
  expect(await outcomeAt({})).toBe('picked')
  aheadMs = 2 * hourMs
  expect(await outcomeAt({})).toBe('invalid_key')
  expect(await outcomeAt({ revision })).toBe('picked')
  const at = (ms: number) => new Date(Date.now() + ms).toISOString()
  expect(await outcomeAt({ revision: at(hourMs / 2) })).toBe('picked')
  expect(await outcomeAt({ revision: at(3 * hourMs) })).toBe('invalid_key')
  aheadMs = 0
})

describe('what policies hash', () => {
  const backendOf = async (body: object): Promise<string> =>
    (await explain({ model: 'm1', ...body })).picked.backend
  const names = Array.from({ length: 12 }, (_, n) => `user-${n}`)
  /** Where each is placed by something of the request, and where by its hash alone. */
  const compared = (said: (name: string) => object) =>
    Promise.all(
      names.map(async (name) => [await backendOf(said(name)), await backendOf({ hashOf: name })]),
    )

  it('is a session, else the user, else the key, where it does not say', async () => {
    await put('policies/default', { strategy: 'ConsistentHash' })
    const session = await compared((name) => ({ headers: { 'X-Session-Id': name }, key: 'all' }))
    expect(new Set(session.map(([own]) => own)).size).toBe(3)
    for (const [own, by] of session) expect(own).toBe(by)
    const one = { headers: { 'x-session-id': 's' } }
    expect(await backendOf({ ...one, user: 'u', key: 'all' })).toBe(await backendOf(one))
    const keyed = new Set(await Promise.all([1, 2].map(() => backendOf({ key: 'all' }))))
    expect([...keyed]).toEqual([await backendOf({ hashOf: 'all' })])
  })

  it('is the header, the user or the key that it says, and nothing else', async () => {
    const by = (hashOn: object) => put('policies/default', { strategy: 'ConsistentHash', hashOn })
    await by({ header: 'x-tenant' })
    for (const [own, hashed] of await compared((name) => ({ headers: { 'x-tenant': name } }))) {
      expect(own).toBe(hashed)
    }
    expect(await backendOf({ user: 'u' })).toBe(await backendOf({}))
    await by({ user: true })
    const users = new Set(await Promise.all(names.map((user) => backendOf({ user }))))
    expect(users.size).toBe(3)
  })
})

describe('path', () => {
  it('says how each backend would serve it, and may name the model', async () => {
    const found = await explain({ path: '/v1beta/models/m2:generateContent?key=x' })
    expect(found).toMatchObject({ model: 'm2', operation: 'generateContent' })
    const served = async (path: string) => {
      const { candidates } = await explain({ model: 'm2', path })
      return candidates.map((one: { backend: string; served: string }) => [one.backend, one.served])
    }
    expect(await served('/v1/messages')).toEqual([
      ['claude', 'as_it_is'],
      ['plain', 'translated'],
    ])
    expect(await served('/v1/embeddings')).toEqual([
      ['claude', 'not'],
      ['plain', 'as_it_is'],
    ])
    expect((await explain({ model: 'm2' })).candidates[0]).not.toHaveProperty('served')
  })
})

it.each([
  ['path', { model: 'm1', path: '/v1/nothing' }],
  ['path', { model: 'm1', path: '/v1/files/file-1' }],
  ['model', { path: '/v1/messages' }],
  ['key', { model: 'm1', key: 5 }],
  ['headers', { model: 'm1', headers: 'x: y' }],
  ['headers', { model: 'm1', headers: { 'not a name': 'x' } }],
  ['headers.authorization', { model: 'm1', headers: { Authorization: 'Bearer sbx-1' } }],
  ['headers.x-api-key', { model: 'm1', headers: { 'x-api-key': 'sbx-1' } }],
  ['user', { model: 'm1', user: 5 }],
  ['key', { requestId: 'r', key: 'all' }],
])('%s is refused of %j', async (path, body) => {
  const { status, errors } = await explain(body)
  expect([status, errors[0].path]).toEqual([422, path])
})

it('a user is hashed as it stands in a body, with its quotes', () => {
  const bytes = new TextEncoder().encode('"u"')
  expect(hashBytes(bytes, { start: 0, end: 3 })).toBe(hashText('"u"'))
})
