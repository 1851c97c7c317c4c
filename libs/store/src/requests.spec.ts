import { type RequestRecord, TOKENS_UNKNOWN } from '@signalbox/model'
import { type RequestStore } from './requests.ts'
import { change, createHarness, put } from './test-harness.ts'

const harness = createHarness()
const NOON_MS = Date.UTC(2026, 0, 10, 12)
const DAY_MS = 86_400_000
const EVER = { from: new Date(0), to: new Date(NOON_MS * 2), limit: 100 }

function record(id: string, more: Partial<RequestRecord> = {}): RequestRecord {
  return {
    id,
    requestId: `r-${id}`,
    atMs: NOON_MS,
    proxy: 'p1',
    revision: 7,
    operation: 'chat',
    key: 'k',
    model: 'gpt',
    route: 'm',
    status: 200,
    code: null,
    durationMs: 12.25,
    firstByteMs: 3.5,
    bytes: 5_000_000_000,
    attempts: [attempt('a', { draws: [0.1234567890123456], turns: [[-0.1]] })],
    tokens: TOKENS_UNKNOWN,
    costUsd: null,
    ...more,
  }
}

function attempt(backend: string | null, more: object = {}) {
  const inputs = { v: 1, strategy: 'RoundRobin', tier: 0, of: 1, ...more } as const
  return { backend, outcome: 'answered', ms: 1, inputs }
}

const open = async (): Promise<RequestStore> => (await harness.open()).requests
const idsOf = (found: readonly { id: string }[]) => found.map(({ id }) => id)

describe('what requests cost', () => {
  const costs = (id: string, usd: number, more: Partial<RequestRecord> = {}) =>
    record(id, { costUsd: usd, ...more })

  it('is added up with them, what was guessed apart', async () => {
    const requests = await open()
    const all = [
      costs('1', 0.5),
      costs('2', 0.25, { tokens: { ...TOKENS_UNKNOWN, estimated: true } }),
      record('3'),
    ]
    await requests.record(all)
    expect(await requests.usage({ groupBy: ['key'], ...EVER })).toMatchObject([
      { by: { key: 'k' }, costUsd: 0.75, costEstimatedUsd: 0.25 },
    ])
    const [kept] = await requests.list({ limit: 1, requestId: 'r-2' })
    expect(kept).toMatchObject({ costUsd: 0.25, tokens: { estimated: true } })
  })

  it('is what keys have spent since a day, once for each record, of these keys alone', async () => {
    const [one, other] = [await open(), await open()]
    const day = Math.floor(NOON_MS / DAY_MS)
    const all = [
      ...[costs('1', 1), costs('2', 2, { atMs: NOON_MS - DAY_MS }), costs('3', 4, { key: 'l' })],
      ...[costs('4', 8, { key: null }), record('5'), costs('6', 16)],
    ]
    await Promise.all([one.record(all), other.record(all), one.record(all)])
    const since = [
      { key: 'k', day },
      { key: 'l', day: day + 1 },
      { key: 'nobody', day: 0 },
    ]
    expect(await other.spent(since)).toEqual(new Map([['k', 17]]))
    expect(await other.spent([{ key: 'k', day: 0 }])).toEqual(new Map([['k', 19]]))
  })

  it('counts for the keys that have a budget and are enabled', async () => {
    const store = await harness.open()
    const budget = { usd: 5, period: 'day', action: 'block' }
    const key = (id: string, more: object) => ({
      ...{ type: 'key.created', resource: 'key', id, version: 1 },
      spec: { routes: ['*'], metadata: {}, labels: {}, hash: 'a'.repeat(64), ...more },
    })
    const drafts = [
      key('with', { enabled: true, budget }),
      key('off', { enabled: false, budget }),
      key('without', { enabled: true }),
    ]
    await store.write(change(() => drafts as never))
    expect(await store.requests.budgets()).toEqual(new Map([['with', budget]]))
  })
})

describe('records of requests', () => {
  it('are kept as they came, numbers to the last bit', async () => {
    const requests = await open()
    const tokens = { prompt: 1, completion: 2, cached: 0, reasoning: null, estimated: true }
    const bare = record('2', {
      ...{ key: null, model: null, route: null, revision: null, firstByteMs: null },
      ...{ code: 'not_ready', status: 503, attempts: [] },
    })
    expect(await requests.record([record('1', { tokens }), bare])).toBe(2)
    expect(await requests.list({ limit: 9 })).toEqual([
      { ...bare, backend: null },
      { ...record('1', { tokens }), backend: 'a' },
    ])
  })

  it('are kept once, however often and from however many they come', async () => {
    const [one, other] = [await open(), await open()]
    const all = Array.from({ length: 50 }, (_, n) => record(String(n), { atMs: NOON_MS + n }))
    const stored = await Promise.all([one, other, one, other].map((each) => each.record(all)))
    expect(stored.reduce((sum, count) => sum + count)).toBe(50)
    expect(await one.record([record('0', { proxy: 'p2' })])).toBe(1)
    expect(await one.list({ limit: 100 })).toHaveLength(51)
  })

  it('are found by what they are asked for by', async () => {
    const requests = await open()
    await requests.record([
      record('1', { atMs: NOON_MS - 1 }),
      record('2', { route: 'other', key: null, status: 502 }),
      record('3', { attempts: [attempt('a'), attempt('b')], status: 500, atMs: NOON_MS + 1 }),
    ])
    const found = async (filter: object) => idsOf(await requests.list({ limit: 9, ...filter }))
    expect(await found({})).toEqual(['3', '2', '1'])
    expect(await found({ requestId: 'r-2' })).toEqual(['2'])
    expect(await found({ route: 'm', key: 'k' })).toEqual(['3', '1'])
    expect(await found({ backend: 'b' })).toEqual(['3'])
    expect(await found({ status: { from: 500, to: 599 } })).toEqual(['3', '2'])
    expect(await found({ since: new Date(NOON_MS) })).toEqual(['3', '2'])
    const before = { atMs: NOON_MS, proxy: 'p1', id: '2' }
    expect(await found({ before })).toEqual(['1'])
    expect(await found({ limit: 1 })).toEqual(['3'])
  })

  it('are added up by what they are grouped by', async () => {
    const requests = await open()
    const tokens = { prompt: 10, completion: 5, cached: null, reasoning: null }
    const many = Array.from({ length: 20 }, (_, n) =>
      record(`a${n}`, {
        durationMs: n + 1,
        ...(n < 2 ? { tokens: { ...tokens, ...(n === 0 ? { estimated: true } : {}) } } : {}),
      }),
    )
    await requests.record([...many, record('b', { route: null, status: 404, code: 'x' })])
    expect(await requests.usage({ groupBy: ['route', 'key'], ...EVER })).toEqual([
      {
        by: { route: 'm', key: 'k' },
        requests: 20,
        costUsd: null,
        costEstimatedUsd: 0,
        errors: 0,
        estimated: 1,
        tokens: { prompt: 20, completion: 10, cached: null, reasoning: null },
        meanMs: 10.5,
        p95Ms: 19,
      },
      expect.objectContaining({
        by: { route: null, key: 'k' },
        requests: 1,
        costUsd: null,
        costEstimatedUsd: 0,
        errors: 1,
      }),
    ])
    const [all] = await requests.usage({ groupBy: [], ...EVER })
    expect(all).toMatchObject({ by: {}, requests: 21, errors: 1 })
    const none = { ...EVER, to: new Date(NOON_MS) }
    expect(await requests.usage({ groupBy: [], ...none })).toEqual([])
    expect(await requests.usage({ groupBy: ['model'], ...EVER, limit: 1 })).toHaveLength(1)
  })

  it('go by the day, and a day that went comes again when it is needed', async () => {
    const requests = await open()
    const old = record('old', { atMs: NOON_MS - 2 * DAY_MS })
    await requests.record([old, record('1', { atMs: NOON_MS - DAY_MS }), record('2')])
    expect(await requests.forgetBefore(new Date(NOON_MS - DAY_MS))).toBe(1)
    expect(idsOf(await requests.list({ limit: 9 }))).toEqual(['2', '1'])
    expect(await requests.forgetBefore(new Date(NOON_MS - DAY_MS))).toBe(0)
    // Another instance forgets: this one finds out by failing to insert.
    await (await open()).forgetBefore(new Date(NOON_MS + 2 * DAY_MS))
    expect(await requests.record([record('3')])).toBe(1)
  })

  it('are of one fleet', async () => {
    const requests = await open()
    const other = await harness.open({ fleet: 'other' })
    await other.requests.record([record('1')])
    expect(await requests.list({ limit: 9 })).toEqual([])
    expect(await requests.usage({ groupBy: [], ...EVER })).toEqual([])
  })

  it('do not hold up a command, whatever is asked about them', async () => {
    const store = await harness.open()
    await store.requests.record([record('1')])
    await harness.sql(`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql
      AS $$ BEGIN PERFORM pg_advisory_lock(1); PERFORM pg_advisory_unlock(1); RETURN NEW; END $$`)
    await harness.sql(
      'CREATE TRIGGER slow BEFORE INSERT ON requests FOR EACH ROW EXECUTE FUNCTION slow()',
    )
    const held = await holdLock()
    const waiting = Array.from({ length: 20 }, (_, n) => store.requests.record([record(`w${n}`)]))
    const settled = Promise.allSettled(waiting)
    const outcome = await store.write(put('b', 'http://b'))
    expect(outcome.kind).toBe('committed')
    await held.release()
    await settled
  })
})

/** Holds what the slow trigger waits for. */
async function holdLock() {
  const { Client } = (await import('pg')).default
  const client = new Client(harness.url())
  await client.connect()
  await client.query('SELECT pg_advisory_lock(1)')
  return { release: () => client.end() }
}
