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
