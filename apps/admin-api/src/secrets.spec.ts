// Secrets over real HTTP: written, never read again; who may say where they go; and labels of all.
import { openSealed } from '@signalbox/host'
import { type RevisionMessage } from '@signalbox/model'
import { eventually } from '@signalbox/testing'
import { type Api, MASTER_KEY, startApi, TOKENS } from './api-harness.ts'

const CANARY = 'sk-canary-of-a-secret-6d2e'
const ORIGIN = 'http://127.0.0.1:8000'
let api: Api
beforeEach(async () => {
  api = await startApi()
})
afterEach(() => api.end())

const add = (id: string, spec: object = {}, token = TOKENS.admin) =>
  api.call('POST', 'secrets', { body: { id, spec: { value: CANARY, ...spec } }, token })
const refer = (id: string, secret: string, token = TOKENS.admin, more: object = {}) =>
  api.add(id, { credential: { secret }, ...more }, { token })

describe('a secret', () => {
  it('is made, read, replaced, patched, read as it was, and deleted', async () => {
    const made = await add('s', { description: 'd', labels: { team: 'a' } })
    expect([made.status, made.headers.get('location')]).toEqual([201, '/admin/v1/secrets/s'])
    const { fingerprint } = made.json.spec
    expect(made.json.spec).toEqual({ fingerprint, description: 'd', labels: { team: 'a' } })
    const body = { spec: { ...made.json.spec, description: 'e' } }
    const headers = { 'if-match': '"1"' }
    const put = await api.call('PUT', 'secrets/s', { body, headers })
    expect([put.status, put.json.spec.fingerprint]).toEqual([200, fingerprint])
    expect((await api.call('PUT', 'secrets/s', { body, headers })).status).toBe(412)
    const again = await api.call('PATCH', 'secrets/s', { body: { spec: { value: CANARY } } })
    expect(again.json.revision).toBe(2)
    const changed = await api.call('PATCH', 'secrets/s', { body: { spec: { value: 'sk-other' } } })
    expect([changed.json.revision, changed.json.spec.fingerprint === fingerprint]).toEqual([
      ...[3, false],
    ])
    const before = (await api.call('GET', 'secrets/s?asOf=1')).json
    expect(before.spec).toEqual(made.json.spec)
    const stored = (await api.store.snapshotToPublish()).secrets.get('s')?.spec.sealed ?? ''
    const place = 'default/secret/s'
    expect(openSealed(stored, { masterKey: MASTER_KEY }, place)).toMatchObject({ text: 'sk-other' })
    expect((await api.call('DELETE', 'secrets/s')).status).toBe(204)
    expect((await api.call('GET', 'secrets')).json.items).toEqual([])
  })

  it.each<[string, object, string]>([
    ['no value', { value: undefined }, 'spec.value'],
    ['an empty value', { value: '' }, 'spec.value'],
    ['a line break in it', { value: 'a\nb' }, 'spec.value'],
    ['a value that is no text', { value: { a: 1 } }, 'spec.value'],
    ['what we make ourselves', { value: undefined, sealed: 'AA', fingerprint: 'f' }, 'spec.sealed'],
    ['an origin that is none', { origins: ['api.test'] }, 'spec.origins.0'],
    ['an unknown field', { url: 'http://x' }, 'spec.url'],
  ])('is refused with %s', async (_, spec, path) => {
    const refused = await add('s', spec)
    expect([refused.status, refused.json.errors?.[0]?.path]).toEqual([422, path])
    expect(refused.text).not.toContain(CANARY)
  })

  it('that a backend refers to is kept, and one that is missing is named: both ends', async () => {
    const dangling = await refer('b1', 'gone')
    expect([dangling.json.code, dangling.json.detail]).toEqual([
      ...['dangling_reference', 'backend b1 refers to secret gone, which does not exist'],
    ])
    await add('s')
    expect((await refer('b1', 's')).json.spec.credential).toEqual({ secret: 's' })
    const kept = await api.call('DELETE', 'secrets/s')
    expect([kept.status, kept.json.detail]).toEqual([409, 'backend b1 still refers to secret s'])
    const gone = await api.call('DELETE', 'secrets/s?cascade=true')
    expect(gone.json.changes.map((one: { id: string }) => one.id).sort()).toEqual(['b1', 's'])
  })

  it('goes where an admin or its origins say, whoever writes the backend', async () => {
    await add('free')
    await add('bound', { origins: [ORIGIN] }, TOKENS.operator)
    const { operator, admin } = TOKENS
    expect((await refer('b1', 'free', operator)).json.code).toBe('forbidden')
    expect((await refer('b1', 'free', admin)).status).toBe(201)
    const move = { body: { spec: { url: 'http://127.0.0.1:9' } } }
    const moved = (id: string, token: string) =>
      api.call('PATCH', `backends/${id}`, { ...move, token })
    expect((await moved('b1', operator)).json.code).toBe('forbidden')
    expect((await moved('b1', admin)).status).toBe(200)
    expect((await refer('b2', 'bound', operator)).status).toBe(201)
    expect((await moved('b2', operator)).json.code).toBe('origin_not_allowed')
    expect((await moved('b2', admin)).json.code).toBe('origin_not_allowed')
    const widen = { body: { spec: { origins: [ORIGIN, 'http://127.0.0.1:9'] } } }
    const widened = (token: string) => api.call('PATCH', 'secrets/bound', { ...widen, token })
    expect((await widened(operator)).json.code).toBe('forbidden')
    expect((await widened(admin)).status).toBe(200)
    expect((await moved('b2', operator)).status).toBe(200)
  })

  it('is in no export, and an export that is applied changes nothing', async () => {
    await add('s')
    await refer('b1', 's')
    const exported = await api.call('GET', 'config')
    expect(Object.keys(exported.json.secrets.s).sort()).toEqual(['fingerprint', 'labels'])
    const applied = await api.call('PUT', 'config?prune=true', { body: exported.json })
    expect([applied.status, applied.json.changes]).toEqual([200, []])
    const { secrets: _, ...rest } = exported.json
    expect((await api.call('PUT', 'config?prune=true', { body: rest })).json.changes).toEqual([])
    const other = { ...exported.json, secrets: { t: { value: 'sk-of-a-document' } } }
    const made = await api.call('PUT', 'config', { body: other })
    expect(made.json.changes).toMatchObject([{ resource: 'secret', id: 't', op: 'created' }])
    expect(made.text).not.toContain('sk-of-a-document')
  })

  it('is seen nowhere once it is written', async () => {
    const messages: RevisionMessage[] = []
    api.hub.connect().onRevision((message) => messages.push(message))
    const headers = { 'idempotency-key': 'k' }
    const body = { id: 's', spec: { value: CANARY, origins: [ORIGIN] } }
    const seen = [(await api.call('POST', 'secrets', { body, headers })).text]
    seen.push((await api.call('POST', 'secrets', { body, headers })).text)
    seen.push((await refer('b1', 's')).text)
    await eventually(() => messages.length >= 2)
    const wrong = { body: { spec: { value: CANARY, sealed: CANARY, labels: 5 } } }
    seen.push((await api.call('PUT', 'secrets/s', wrong)).text)
    seen.push((await api.call('PUT', 'secrets/s?dryRun=true', { body: { spec: body.spec } })).text)
    const stale = { body: { spec: body.spec }, headers: { 'if-match': '"9"' } }
    seen.push((await api.call('PUT', 'secrets/s', stale)).text)
    const reads = ['secrets', 'secrets/s', 'secrets/status', 'config?format=yaml', 'revisions']
    reads.push('diff?from=0', 'audit/denials', 'backends', '/metrics')
    for (const path of reads) seen.push((await api.call('GET', path)).text)
    seen.push(...api.logged)
    const sealedToo = [(await api.call('GET', 'audit/export')).text, JSON.stringify(messages)]
    const { sealed = '' } = (await api.store.resource('secret', 's'))?.spec ?? {}
    for (const text of [...seen, ...sealedToo]) expect(text).not.toContain(CANARY)
    for (const text of seen) expect(text).not.toContain(sealed)
    for (const text of sealedToo) expect(text).toContain(sealed)
  })
})

it('labels are on all that people make, and lists are filtered by them', async () => {
  const labels = { team: 'a' }
  await add('s', { labels })
  await api.add('b', { labels })
  const specs: [string, object][] = [
    ['routes', { tiers: [{ targets: [{ backend: 'b' }] }], labels }],
    ['policies', { labels }],
    ['keys', { labels }],
    ['principals', { role: 'viewer', labels }],
  ]
  for (const [plural, spec] of specs) {
    const made = await api.call('POST', plural, { body: { id: 'one', spec } })
    expect([plural, made.status]).toEqual([plural, 201])
  }
  await api.add('plain')
  for (const plural of ['secrets', 'backends', ...specs.map(([name]) => name)]) {
    const count = async (label: string) =>
      (await api.call('GET', `${plural}?label=${label}`)).json.items.length
    expect([plural, await count('team=a'), await count('team=b')]).toEqual([plural, 1, 0])
  }
  const wrong = await api.call('POST', 'keys', { body: { id: 'k', spec: { labels: 'a' } } })
  expect(wrong.status).toBe(422)
})

describe('a secret of the past', () => {
  const secret = (spec: object, token: string) =>
    api.call('POST', 'secrets', { body: { id: 'past', spec }, token })
  const back = (toRevision: number, token: string) =>
    api.call('POST', 'rollback', {
      body: { toRevision, resources: [{ resource: 'secret', id: 'past' }] },
      token,
    })

  it('is shut for ever, and an operator may not even ask for it', async () => {
    const made = await secret({ value: 'sk-of-the-admin' }, TOKENS.admin)
    await api.call('DELETE', 'secrets/past', { token: TOKENS.operator })
    const mine = { value: 'mine', origins: ['https://evil.example'] }
    expect((await secret(mine, TOKENS.operator)).status).toBe(201)
    const refusal = await back(made.json.revision, TOKENS.operator)
    expect([refusal.status, refusal.json.code]).toEqual([403, 'forbidden'])
    const shredded = await back(made.json.revision, TOKENS.admin)
    expect([shredded.status, shredded.json.code]).toEqual([409, 'secret_shredded'])
    expect(shredded.json.detail).toContain('secret past')
  })

  it('is not unbound by an operator, nor is its narrowing undone by a detour', async () => {
    const origins = ['https://a.example', 'https://b.example']
    const made = await secret({ value: 'sk-of-the-admin', origins }, TOKENS.admin)
    const patch = (to: unknown, token: string) =>
      api.call('PATCH', 'secrets/past', { body: { spec: { origins: to } }, token })
    expect((await patch(null, TOKENS.operator)).json.code).toBe('forbidden')
    expect((await patch([origins[0]], TOKENS.admin)).status).toBe(200)
    await api.call('DELETE', 'secrets/past', { token: TOKENS.operator })
    expect((await back(made.json.revision, TOKENS.operator)).json.code).toBe('forbidden')
  })
})

it('where backends may be is widened by an admin alone, and narrowed by an operator too', async () => {
  const { operator, admin } = TOKENS
  const put = (allow: readonly string[], token: string) =>
    api.call('PUT', 'settings/default', { body: { spec: { network: { allow } } }, token })
  const metadata = { url: 'http://169.254.169.254' }
  expect((await api.add('m', metadata, { token: operator })).json.code).toBe('address_not_allowed')
  const own = await put(['public', 'private', 'loopback', '169.254.169.254'], operator)
  expect([own.status, own.json.code]).toEqual([403, 'forbidden'])
  const body = { settings: { default: { network: { allow: ['link-local'] } } } }
  expect((await api.call('PUT', 'config', { body, token: operator })).json.code).toBe('forbidden')
  expect((await put(['loopback'], operator)).status).toBe(201)
  expect((await put(['loopback', '169.254.169.254'], operator)).json.code).toBe('forbidden')
  expect((await put(['loopback', '169.254.169.254'], admin)).status).toBe(200)
  expect((await api.add('m', metadata, { token: operator })).status).toBe(201)
})
