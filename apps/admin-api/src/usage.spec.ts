import { compile, record, standIn } from '@signalbox/routing'
import { type AttemptRecord, type RequestRecord } from '@signalbox/model'
import { type Api, SPEC, startApi, TOKENS } from './api-harness.ts'
import { recordOf, report } from './usage-harness.ts'

let api: Api
let revision: number
beforeAll(async () => {
  api = await startApi()
  await api.call('POST', 'secrets', { body: { id: 's', spec: { value: 'sk-one' } } })
  for (const id of ['b1', 'b2', 'b3']) await api.add(id, { credential: { secret: 's' } })
  const spec = { tiers: [{ targets: [{ backend: 'b1' }, { backend: 'b2' }, { backend: 'b3' }] }] }
  const made = await api.call('POST', 'routes', { body: { id: 'r1', spec } })
  revision = made.json.revision
  await report(api, await requests())
})
afterAll(() => api.end())

/** As a proxy would have made them: b2 is down, and each goes on where the last one stood. */
async function requests(): Promise<RequestRecord[]> {
  const snapshot = await api.store.snapshot()
  if (!snapshot) throw new Error('no snapshot')
  const { table } = compile(snapshot, new Map())
  const route = table.routes.get('r1')
  if (!route) throw new Error('no route')
  const live = table.backends.map(({ id }) => ({ ...standIn(id), eligible: id !== 'b2' }))
  const attempt = (tried: number[], outcome: string): AttemptRecord => {
    const { target, inputs } = record(route, { live, nowMs: 0, random: () => 0, tried })
    if (target) tried.push(target.backend.index)
    return { backend: target?.backend.id ?? null, outcome, ms: 3, inputs }
  }
  const served = (id: string, ...outcomes: string[]) => {
    const tried: number[] = []
    const attempts = outcomes.map((outcome) => attempt(tried, outcome))
    return recordOf(id, { model: 'r1', route: 'r1', revision, attempts })
  }
  return [
    served('one', 'answered'),
    served('two', 'upstream_connect_failed', 'answered'),
    served('three', 'answered'),
    recordOf('lost', {
      model: 'nobody',
      route: null,
      status: 404,
      attempts: [],
      key: 'k1',
      ...{ code: 'model_not_found', revision },
    }),
  ]
}

const explain = (body: object) => api.call('POST', 'explain', { body, token: TOKENS.viewer })
const plan = (body: object, token = TOKENS.operator) => api.call('POST', 'plan', { body, token })
const reasonsOf = ({ candidates }: { candidates: { backend: string; reason: string }[] }) =>
  candidates.map(({ backend, reason }) => `${backend} ${reason}`)

describe('POST /explain of a recorded request', () => {
  it('makes its picks again under its revision, attempt by attempt', async () => {
    const { status, json } = await explain({ requestId: 'r-two' })
    expect([status, json.replayed, json.why, json.revision]).toEqual([200, true, null, revision])
    expect(json.attempts.map(reasonsOf)).toEqual([
      ['b1 kept', 'b2 down', 'b3 picked'],
      ['b1 picked', 'b2 down', 'b3 tried'],
    ])
    expect(json.attempts[0]).toMatchObject({ outcome: 'upstream_connect_failed', replayed: true })
    expect(json.request).toMatchObject({ requestId: 'r-two', backend: 'b1', status: 200 })
    expect(json.matches).toBe(1)
  })

  it('holds, whatever has changed since; and says how it would be elsewhere', async () => {
    const spec = { tiers: [{ targets: [{ backend: 'b3' }] }] }
    const changed = await api.call('PUT', 'routes/r1', { body: { spec } })
    const now = changed.json.revision
    const { json } = await explain({ requestId: 'r-two', revision: now })
    expect(json).toMatchObject({ replayed: true, revision })
    expect(json.elsewhere).toMatchObject({ revision: now, picked: { backend: 'b3' } })
    const before = await explain({ requestId: 'r-two', revision: 2 })
    expect(before.json.elsewhere.outcome).toBe('model_not_found')
    await api.call('POST', 'rollback', { body: { toRevision: revision, reason: 'test' } })
  })

  it('says why it cannot be exact', async () => {
    await report(api, [
      recordOf('bare', { model: 'r1', revision }),
      recordOf('bare2', { model: 'r1', revision, requestId: 'r-bare', atMs: Date.now() + 1_000 }),
    ])
    const { json } = await explain({ requestId: 'r-bare' })
    expect(json).toMatchObject({ replayed: false, matches: 2, request: { id: 'bare2' } })
    expect(json.why).toMatch(/was not recorded/)
    const lost = await explain({ requestId: 'r-lost' })
    expect(lost.json).toMatchObject({ replayed: false, attempts: [] })
    expect(lost.json.why).toMatch(/model_not_found/)
  })

  it('refuses what it does not know, and what it would ignore', async () => {
    const unknown = await explain({ requestId: 'nobody' })
    expect([unknown.status, unknown.json.code]).toEqual([404, 'not_found'])
    for (const wrong of [{ requestId: '' }, { requestId: 'x'.repeat(300) }, { requestId: 7 }]) {
      expect((await explain(wrong)).status).toBe(422)
    }
    const both = await explain({ requestId: 'r-one', model: 'r1' })
    expect([both.status, both.json.errors[0].path]).toEqual([422, 'model'])
  })
})

describe('POST /plan', () => {
  const gone = [
    { op: 'put', resource: 'route', id: 'r1', spec: { tiers: [{ targets: [{ backend: 'b3' }] }] } },
  ]

  it('says what would change and which requests would go elsewhere, and writes nothing', async () => {
    const before = await api.store.head()
    const { status, json } = await plan({ operations: gone, lastRequests: 4_000 })
    expect(status).toBe(200)
    expect(json).toMatchObject({ dryRun: true, changes: [{ resource: 'route', id: 'r1' }] })
    expect(json.requests.elsewhere).toBeGreaterThan(0)
    expect(json.requests.groups[0]).toMatchObject({
      route: 'r1',
      reason: 'backend_gone',
      certain: true,
    })
    expect(json.requests.groups[0].examples.length).toBeGreaterThan(0)
    expect(await api.store.head()).toEqual(before)
  })

  it('takes a document as well, and looks at so many requests only', async () => {
    const tiers = [{ targets: ['b1', 'b2', 'b3'].map((backend) => ({ backend })) }]
    const config = { routes: { r1: { tiers, policy: 'default' } } }
    const { json } = await plan({ config, lastRequests: 1 })
    expect(json).toMatchObject({ changes: [], requests: { looked: 1, elsewhere: 0, groups: [] } })
  })

  it('takes set, prune and force, and is refused where PUT /config would be', async () => {
    const config = { backends: { b1: SPEC } }
    const own = await plan({ config, set: 'team' })
    expect(own.json.changes.at(-1)).toMatchObject({ resource: 'set', id: 'team', op: 'created' })
    const much = await plan({ config: {}, prune: true })
    expect([much.status, much.json.code]).toEqual([409, 'prune_too_large'])
    const forced = await plan({ config: {}, prune: true, force: true })
    expect(forced.json.changes).toContainEqual(
      expect.objectContaining({ resource: 'route', id: 'r1', op: 'deleted' }),
    )
    expect(forced.json.requests.groups).toMatchObject([{ reason: 'model_unknown' }])
  })

  it('refuses what the change would be refused for, and who may not make it', async () => {
    const dangling = [{ op: 'delete', resource: 'backend', id: 'b1' }]
    expect((await plan({ operations: dangling })).json.code).toBe('still_referenced')
    for (const wrong of [
      {},
      { operations: gone, config: {} },
      { operations: gone, prune: true },
      { operations: gone, lastRequests: 0 },
      { operations: gone, set: 'team' },
      { config: {}, prune: 'yes' },
      { config: {}, force: 1 },
      { config: {}, set: 'no set' },
      { config: { odd: 1 } },
    ]) {
      expect((await plan(wrong)).status).toBe(422)
    }
    expect((await plan({ operations: gone }, TOKENS.viewer)).status).toBe(403)
  })
})

describe('GET /requests', () => {
  const get = (query: string) => api.call('GET', `requests${query}`, { token: TOKENS.viewer })

  it('answers page by page, newest first, by what is asked for', async () => {
    const seen: string[] = []
    let cursor = ''
    do {
      const { json } = await get(`?limit=2${cursor && `&cursor=${cursor}`}`)
      seen.push(...json.items.map(({ id }: { id: string }) => id))
      cursor = json.nextCursor ?? ''
    } while (cursor !== '')
    expect(seen.slice().sort()).toEqual(['bare', 'bare2', 'lost', 'one', 'three', 'two'])
    expect(seen[0]).toBe('bare2')
    const ids = async (query: string) =>
      (await get(query)).json.items.map(({ id }: { id: string }) => id)
    expect(await ids('?status=4xx')).toEqual(['lost'])
    expect(await ids('?key=k1&status=404')).toEqual(['lost'])
    expect(await ids('?requestId=r-one')).toEqual(['one'])
    expect(await ids('?since=2999-01-01T00:00:00Z')).toEqual([])
  })

  it.each(['?status=9', '?since=now', '?cursor=x', '?limit=501', '?other=1'])(
    'refuses %s',
    async (query) => {
      expect((await get(query)).json.code).toBe('unknown_parameter')
    },
  )
})

describe('GET /usage', () => {
  const get = (query: string) => api.call('GET', `usage${query}`, { token: TOKENS.viewer })

  it('adds requests up by what they are grouped by', async () => {
    const later = new Date(Date.now() + 60_000).toISOString()
    const { json } = await get(`?groupBy=route,key&to=${later}`)
    expect(json.groupBy).toEqual(['key', 'route'])
    expect(json.items[0]).toMatchObject({
      route: 'r1',
      key: null,
      requests: 3,
      errors: 0,
      estimated: 0,
      meanMs: 10,
    })
    expect(json.items).toContainEqual(
      expect.objectContaining({ route: null, key: 'k1', requests: 1, errors: 1 }),
    )
    const one = await get(`?groupBy=route&limit=1&to=${later}`)
    expect([one.json.items.length, one.json.truncated]).toEqual([1, true])
  })

  it.each(['?groupBy=prompt', '?from=2020-01-01T00:00:00Z', '?to=never'])(
    'refuses %s',
    async (query) => {
      expect((await get(query)).json.code).toBe('unknown_parameter')
    },
  )
})
