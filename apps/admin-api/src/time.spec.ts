// Time travel over real HTTP: diff, rollback, and the whole configuration as a document.
import { type Api, SPEC, startApi } from './api-harness.ts'

let api: Api
beforeEach(async () => {
  api = await startApi()
})
afterEach(() => api.end())

const patch = (id: string, spec: object) => api.call('PATCH', `backends/${id}`, { body: { spec } })

describe('GET /diff', () => {
  it('answers what leads from one revision to another', async () => {
    await api.add('b1')
    await patch('b1', { weight: 3, labels: { zone: 'a' } })
    await api.add('b2')
    const { json } = await api.call('GET', 'diff?from=1&to=3')
    expect([json.from, json.to]).toEqual([1, 3])
    expect(json.changes).toMatchObject([
      {
        resource: 'backend',
        id: 'b1',
        op: 'updated',
        patch: [
          { op: 'add', path: '/labels/zone', value: 'a' },
          { op: 'replace', path: '/weight', value: 3 },
        ],
      },
      { resource: 'backend', id: 'b2', op: 'created', before: null },
    ])
    expect((await api.call('GET', 'diff?from=3')).json.changes).toEqual([])
    expect((await api.call('GET', 'diff?from=3&to=0')).json.changes).toMatchObject([
      { op: 'deleted', id: 'b1' },
      { op: 'deleted', id: 'b2' },
    ])
  })

  it('takes times, and shows no credential', async () => {
    await api.add('b1', { apiKey: 'sk-canary-1' })
    const { text, status } = await api.call('GET', 'diff?from=2020-01-01T00:00:00Z')
    expect(status).toBe(200)
    expect(text).toContain('fingerprint')
    expect(text).not.toMatch(/sealed|sk-canary/)
  })

  it.each(['', '?from=x', '?from=1', '?from=0&to=9', '?from=0&form=1'])(
    'refuses %j',
    async (query) => {
      const { status, json } = await api.call('GET', `diff${query}`)
      expect([400, 404]).toContain(status)
      expect(json.code).toMatch(/^(unknown_parameter|not_found)$/)
    },
  )
})

describe('POST /rollback', () => {
  const rollback = (body: unknown, query = '') => api.call('POST', `rollback${query}`, { body })

  it('brings everything back as one new revision that says what it undoes', async () => {
    await api.add('b1', { apiKey: 'sk-canary-1' })
    await patch('b1', { weight: 7 })
    await api.add('b2')
    const { status, json } = await rollback({ toRevision: 1, reason: 'it was better then' })
    expect(status).toBe(200)
    expect(json.revision).toBe(4)
    expect(
      json.changes.map((change: { id: string; op: string }) => [change.id, change.op]),
    ).toEqual([
      ['b1', 'updated'],
      ['b2', 'deleted'],
    ])
    const revision = (await api.call('GET', 'revisions/4')).json
    expect(revision).toMatchObject({
      source: 'rollback',
      reason: 'it was better then',
      undoes: { after: 1, through: 3 },
    })
    expect((await api.call('GET', 'diff?from=1&to=4')).json.changes).toEqual([])
    expect((await api.call('GET', 'revisions/3')).json.undoes).toBeNull()
  })

  it('can itself be rolled back', async () => {
    await api.add('b1')
    await patch('b1', { weight: 7 })
    await rollback({ toRevision: 1 })
    await rollback({ toRevision: 2 })
    expect((await api.call('GET', 'backends/b1')).json.spec.weight).toBe(7)
    expect((await api.call('GET', 'revisions/4')).json.reason).toBe('roll back to revision 2')
  })

  it('takes chosen resources only', async () => {
    await api.add('b1')
    await api.add('b2')
    await patch('b1', { weight: 7 })
    await patch('b2', { weight: 7 })
    const resources = [{ resource: 'backends', id: 'b1' }]
    const { json } = await rollback({ toRevision: 2, resources })
    expect(json.changes).toMatchObject([{ id: 'b1', op: 'updated' }])
    expect((await api.call('GET', 'backends/b2')).json.spec.weight).toBe(7)
  })

  it('writes nothing as a dry run, nor where nothing differs', async () => {
    await api.add('b1')
    const dry = await rollback({ toRevision: 0 }, '?dryRun=true')
    expect(dry.json).toMatchObject({ dryRun: true, changes: [{ id: 'b1', op: 'deleted' }] })
    expect((await rollback({ toRevision: 1 })).json).toEqual({ revision: 1, changes: [] })
    expect((await api.store.head()).revision).toBe(1)
  })

  it('is refused where today something else needs what it would take', async () => {
    await api.add('b1')
    const spec = { tiers: [{ targets: [{ backend: 'b1' }] }] }
    await api.call('POST', 'routes', { body: { id: 'r', spec } })
    const resources = [{ resource: 'backend', id: 'b1' }]
    expect((await rollback({ toRevision: 0, resources })).json.code).toBe('still_referenced')
  })

  it.each([
    [{}, 422],
    [{ toRevision: '1' }, 422],
    [{ toRevision: -1 }, 422],
    [{ toRevision: 99 }, 404],
    [{ toRevision: 0, resources: [] }, 422],
    [{ toRevision: 0, resources: [{ resource: 'gizmo', id: 'x' }] }, 422],
    [{ toRevision: 0, resources: [{ resource: 'backend', id: 'never' }] }, 404],
    [{ toRevision: 0, more: 1 }, 422],
    [{ toRevision: 0, reason: 5 }, 422],
  ])('refuses %j', async (body, status) => {
    expect((await rollback(body)).status).toBe(status)
    expect((await api.store.head()).revision).toBe(0)
  })

  it('needs an operator', async () => {
    const body = { toRevision: 0 }
    const { status } = await api.call('POST', 'rollback', {
      body,
      token: 'viewer-token-0123456789',
    })
    expect(status).toBe(403)
  })
})

describe('DELETE with cascade', () => {
  it('names all that it takes, as a dry run and for real', async () => {
    await api.add('b1')
    const spec = { tiers: [{ targets: [{ backend: 'b1' }] }] }
    await api.call('POST', 'routes', { body: { id: 'r', spec } })
    expect((await api.call('DELETE', 'backends/b1')).status).toBe(409)
    const taken = (json: { changes: { id: string }[] }) => json.changes.map(({ id }) => id)
    const dry = await api.call('DELETE', 'backends/b1?cascade=true&dryRun=true')
    expect([dry.status, taken(dry.json)]).toEqual([200, ['b1', 'r']])
    const gone = await api.call('DELETE', 'backends/b1?cascade=true')
    expect([gone.status, taken(gone.json), gone.json.revision]).toEqual([200, ['b1', 'r'], 3])
    expect((await api.call('GET', 'routes/r')).status).toBe(404)
    expect((await api.call('DELETE', 'backends/b1?cascade=maybe')).status).toBe(400)
  })
})

describe('the configuration as a document', () => {
  const put = (body: unknown, query = '', headers: Record<string, string> = {}) =>
    api.call('PUT', `config${query}`, { body, headers })

  it('goes in as one revision and comes out again', async () => {
    const document = {
      backends: { b1: { ...SPEC, apiKey: 'sk-canary-2' } },
      routes: { r: { tiers: [{ targets: [{ backend: 'b1', model: 'm1' }] }] } },
      policies: { p: { strategy: 'LeastLatency' } },
    }
    const { status, json } = await put(document)
    expect([status, json.revision, json.changes.length]).toEqual([200, 1, 3])
    const read = await api.call('GET', 'config')
    expect(read.headers.get('etag')).toBe('"1"')
    expect(read.text).not.toMatch(/sealed|sk-canary/)
    expect(read.json.policies.p.strategy).toBe('LeastLatency')
    expect((await put(read.json, '?prune=true')).json).toEqual({ revision: 1, changes: [] })
  })

  it.each([
    ['yaml', 'application/yaml'],
    ['toml', 'application/toml'],
    ['json', 'application/json'],
  ])('goes out as %s and in again without a change', async (format, type) => {
    await api.add('b1', { labels: { zone: 'a' } })
    await api.call('POST', 'policies', { body: { id: 'p', spec: {} } })
    const { text, headers } = await api.call('GET', `config?format=${format}`)
    expect(headers.get('content-type')).toContain(type)
    const again = await put(text, '?prune=true', { 'content-type': type })
    expect([again.status, again.json.changes]).toEqual([200, []])
  })

  it('as it was then is what rolls forward and back', async () => {
    await api.add('b1')
    await patch('b1', { weight: 4 })
    const { json } = await api.call('GET', 'config?asOf=1')
    expect(json.backends.b1.weight).toBe(1)
    await put(json)
    expect((await api.call('GET', 'diff?from=1')).json.changes).toEqual([])
  })

  it('belongs to a set, prunes within it, and is refused to others', async () => {
    await api.add('mine')
    await put({ backends: { a: SPEC, b: SPEC } }, '?set=team')
    const pruned = await put({ backends: { a: SPEC } }, '?set=team&prune=true&force=true')
    expect(pruned.json.changes.map((change: { id: string }) => change.id)).toEqual(['b', 'team'])
    expect((await api.call('GET', 'sets/team')).json.spec.members).toEqual(['backend/a'])
    expect((await api.call('GET', 'backends/mine')).status).toBe(200)
    const foreign = await put({ backends: { a: { ...SPEC, weight: 9 } } }, '?set=other')
    expect([foreign.status, foreign.json.code]).toEqual([409, 'owned_by_set'])
    const much = await put({}, '?set=team&prune=true')
    expect([much.status, much.json.code]).toEqual([409, 'prune_too_large'])
  })

  it('is refused whole where a part is wrong, with every place', async () => {
    const { status, json } = await put({
      backends: { a: SPEC, b: { ...SPEC, url: 'x' } },
      routes: { r: {} },
    })
    expect(status).toBe(422)
    expect(json.errors.map((error: { path: string }) => error.path)).toEqual([
      'backends.b.url',
      'routes.r.tiers',
    ])
    expect((await api.store.head()).revision).toBe(0)
  })

  it.each([
    ['[1]', 'application/json', 422],
    ['a: [', 'application/yaml', 400],
    ['a: 1\na: 2', 'application/yaml', 400],
    ['a = ', 'application/toml', 400],
    ['{}', 'text/plain', 415],
    ['backends: {b: {apiKey: 5}}', 'application/yaml', 422],
  ])('refuses %j as %s', async (body, type, status) => {
    expect((await put(body, '', { 'content-type': type })).status).toBe(status)
  })

  it('may be larger than any other body, and still be one revision', async () => {
    const ids = Array.from({ length: 3_000 }, (_, nth) => `backend-${nth}`)
    const document = {
      backends: Object.fromEntries(ids.map((id) => [id, { ...SPEC, labels: { id } }])),
    }
    const { status, json } = await put(document)
    expect([status, json.revision, json.changes.length]).toEqual([200, 1, 3_000])
    const list = await api.call('GET', 'backends?limit=1000')
    expect(list.json.items).toHaveLength(1_000)
    const elsewhere = await api.call('POST', 'changes', { body: { operations: [], document } })
    expect([elsewhere.status, elsewhere.json.code]).toEqual([413, 'admin_body_too_large'])
  })

  it('refuses aliases that multiply', async () => {
    const level = (n: number) =>
      `l${n}: &l${n} [${Array(9)
        .fill(`*l${n - 1}`)
        .join(', ')}]\n`
    const bomb = `l0: &l0 [x]\n${[1, 2, 3, 4, 5, 6, 7, 8].map(level).join('')}`
    const { status, json } = await put(bomb, '', { 'content-type': 'application/yaml' })
    expect([status, json.code]).toEqual([400, 'malformed_body'])
  })

  it.each(['?format=xml', '?format=constructor', '?asOf=99', '?x=1'])(
    'refuses to read %s',
    async (query) => {
      expect((await api.call('GET', `config${query}`)).status).toBeGreaterThanOrEqual(400)
    },
  )
})
