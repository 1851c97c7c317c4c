// The precondition of calls that are about the whole configuration, over real HTTP.
import { type Api, SPEC, startApi, TOKENS } from './api-harness.ts'

let api: Api
beforeEach(async () => {
  api = await startApi()
  await api.add('b1')
  await api.add('b2')
})
afterEach(() => api.end())

const headers = (revision: number | string) => ({
  'if-match': revision === '*' ? '*' : `"${revision}"`,
})
const put = (spec: object, more = {}) => ({
  op: 'put',
  resource: 'backend',
  id: 'b1',
  spec,
  ...more,
})
const heavy = (weight: number) => ({ ...SPEC, weight })

const CALLS: readonly [string, string, object][] = [
  ['PUT', 'config', { backends: { b1: heavy(7) } }],
  ['POST', 'changes', { operations: [put(heavy(7))] }],
  ['POST', 'rollback', { toRevision: 1 }],
]

describe.each(CALLS)('%s /%s', (method, path, body) => {
  const call = (revision: number | string, query = '') =>
    api.call(method, `${path}${query}`, { body, headers: headers(revision) })

  it('at the head that was read is done, and answers where the log ends then', async () => {
    const read = await api.call('GET', 'config')
    expect(read.headers.get('etag')).toBe('"2"')
    const { status, json, headers: answered } = await call(2)
    expect([status, json.revision, answered.get('etag')]).toEqual([200, 3, '"3"'])
    expect((await call('*')).status).toBe(200)
  })

  it('is 412 with the revision of now where anything was changed since, also as a dry run', async () => {
    for (const query of ['', '?dryRun=true']) {
      const { status, json } = await call(1, query)
      expect([status, json.code, json.current]).toEqual([
        412,
        'precondition_failed',
        { revision: 2 },
      ])
    }
    expect((await api.store.head()).revision).toBe(2)
  })
})

it('of two that read the same head and write at once, one is done', async () => {
  const answers = await Promise.all(
    [3, 4].map((weight) => {
      const body = { backends: { [`b${weight}`]: heavy(weight) } }
      return api.call('PUT', 'config', { body, headers: headers(2) })
    }),
  )
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 412])
  expect((await api.store.head()).revision).toBe(3)
})

it('a repeated call gets its answer again, though the head is another by then', async () => {
  const keyed = { ...headers(2), 'idempotency-key': 'once' }
  const body = { operations: [put(heavy(7))] }
  const first = await api.call('POST', 'changes', { body, headers: keyed })
  const again = await api.call('POST', 'changes', { body, headers: keyed })
  expect([first.status, again.status, again.text]).toEqual([200, 200, first.text])
})

describe('ifMatch of one operation', () => {
  const change = (...operations: object[]) =>
    api.call('POST', 'changes', { body: { operations }, token: TOKENS.operator })

  it.each([1, '"1"', '*'])('%j is the revision that was read of its resource', async (ifMatch) => {
    const other = { op: 'patch', resource: 'backend', id: 'b2', spec: { weight: 5 }, ifMatch: 2 }
    const { status, json } = await change(put(heavy(3), { ifMatch }), other)
    expect([status, json.changes.length]).toEqual([200, 2])
  })

  it('that is stale undoes all, names its operation and shows the value of now', async () => {
    const stale = { op: 'delete', resource: 'backend', id: 'b2', ifMatch: 1 }
    const { status, json } = await change(put(heavy(3), { ifMatch: 1 }), stale)
    expect([status, json.code, json.errors[0].path, json.current]).toMatchObject([
      412,
      'precondition_failed',
      'operations.1',
      { id: 'b2', revision: 2 },
    ])
    expect((await api.store.head()).revision).toBe(2)
  })

  it.each([
    ['create', 1],
    ['put', 'one'],
    ['put', -1],
    ['put', null],
  ])('of a %s may not be %j', async (op, ifMatch) => {
    const { status, json } = await change({ ...put(SPEC), op, ifMatch })
    expect([status, json.errors[0].path]).toEqual([422, 'operations.0.ifMatch'])
  })
})

it('a call that has no use for it refuses it', async () => {
  const body = { id: 'b3', spec: SPEC }
  const { status, json } = await api.call('POST', 'backends', { body, headers: headers(2) })
  expect([status, json.errors[0].path]).toEqual([400, 'if-match'])
})
