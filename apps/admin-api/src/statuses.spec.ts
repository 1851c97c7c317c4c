import { type Health, type Status } from '@signalbox/model'
import { eventually } from '@signalbox/testing'
import { type Api, startApi } from './api-harness.ts'

let at: Api

beforeEach(async () => {
  at = await startApi()
})
afterEach(() => at.end())

const CHECKED_MS = Date.UTC(2026, 0, 1)
function say(observer: string, health: Health, more: Partial<Status> = {}) {
  const error = health === 'down' ? 'connection refused' : null
  const status: Status = {
    ...{ backend: 'b1', health, sinceMs: CHECKED_MS - 1_000, checkedAtMs: CHECKED_MS },
    ...{ latencyMs: 1, error, models: null, revision: 1, observer, ...more },
  }
  at.bus.sendStatus({ observer, statuses: [status] })
}
const first = async () => (await at.call('GET', 'status')).json.items[0]

it('the status of a backend is what most of its probes say, beside what each of them says', async () => {
  await at.add('b1')
  say('p1', 'down')
  say('p2', 'ready')
  await eventually(async () => (await first()).observers.length === 2)
  expect(await first()).toMatchObject({ health: 'ready', observer: 'p2', error: null })
  say('p3', 'down', { latencyMs: null, checkedAtMs: CHECKED_MS + 1 })
  await eventually(async () => (await first()).observers.length === 3)
  const { health, error, observer, observers } = await first()
  expect([health, error, observer]).toEqual(['down', 'connection refused', 'p3'])
  expect(observers[0]).toEqual({
    observer: 'p1',
    health: 'down',
    checkedAt: new Date(CHECKED_MS).toISOString(),
    latencyMs: 1,
    error: 'connection refused',
    revision: 1,
    counts: true,
  })
  at.bus.sendStatus({ observer: 'p3', statuses: [], leaving: true })
  await eventually(async () => (await first()).health === 'ready')
  expect((await first()).observers.map((one: { counts: boolean }) => one.counts)).toEqual([
    true,
    true,
    false,
  ])
})

it('the statuses are read in pages, and one by itself', async () => {
  for (const id of ['b2', 'b1', 'b3']) await at.add(id)
  say('p1', 'down')
  await eventually(async () => (await first()).health === 'down')
  const { items, nextCursor, revision } = (await at.call('GET', 'status?limit=2')).json
  expect([items.map((one: Status) => one.backend), revision]).toEqual([['b1', 'b2'], 3])
  const rest = (await at.call('GET', `status?limit=2&cursor=${nextCursor}`)).json
  expect(rest).toMatchObject({ items: [{ backend: 'b3', health: 'unknown' }], nextCursor: null })
  expect((await at.call('GET', 'status/b1')).json).toEqual(items[0])
  const { status, json } = await at.call('GET', 'status/b4')
  expect([status, json.code]).toEqual([404, 'not_found'])
})

it.each(['status/%00', 'status/%00/history', 'status/a%20b/history', 'backends/%00?asOf=0'])(
  'GET %s is of no backend, and no fault of ours',
  async (path) => {
    const { status, json } = await at.call('GET', path)
    expect([status, json.code]).toEqual([404, 'not_found'])
  },
)

describe('the history of a backend', () => {
  const history = async (query = '') => at.call('GET', `status/b1/history${query}`)
  const healths = async () =>
    (await history()).json.items.map((item: { health: string }) => item.health)

  it('has each change of sides, with its reason and who said so, newest first', async () => {
    await at.add('b1')
    say('p1', 'ready', { sinceMs: CHECKED_MS })
    await eventually(async () => (await first()).health === 'ready')
    say('p1', 'ready', { sinceMs: CHECKED_MS, checkedAtMs: CHECKED_MS + 1 })
    say('p1', 'down', { sinceMs: CHECKED_MS + 2, checkedAtMs: CHECKED_MS + 2 })
    await eventually(async () => (await healths()).length === 2)
    const { items, nextCursor } = (await history()).json
    expect(items[0]).toEqual({
      id: expect.any(Number),
      backend: 'b1',
      health: 'down',
      since: new Date(CHECKED_MS + 2).toISOString(),
      at: expect.any(String),
      error: 'connection refused',
      observers: ['p1'],
    })
    expect([items[1].health, nextCursor]).toEqual(['ready', null])
    const page = (await history('?limit=1')).json
    expect([page.items.length, page.nextCursor]).toEqual([1, String(items[0].id)])
    const rest = (await history(`?limit=1&cursor=${page.nextCursor}`)).json
    expect(rest.items).toEqual([items[1]])
  })

  it('is the same where two admin-api keep it', async () => {
    const other = await at.again({ masterKey: new Uint8Array(32) })
    await at.add('b1')
    say('p1', 'ready')
    say('p1', 'down', { sinceMs: CHECKED_MS, checkedAtMs: CHECKED_MS + 1 })
    await eventually(async () => (await healths()).length === 2)
    // What it still had to keep is kept when it has stopped.
    await other.stop()
    expect(await healths()).toEqual(['down', 'ready'])
  })

  it('is empty for a backend that nobody has seen, and none for one that was never there', async () => {
    await at.add('b1')
    expect((await history()).json).toEqual({ items: [], nextCursor: null })
    const { status, json } = await at.call('GET', 'status/b2/history')
    expect([status, json.code]).toEqual([404, 'not_found'])
    expect((await history('?limit=201')).status).toBe(400)
  })
})
