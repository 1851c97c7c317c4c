import { BusUnavailable } from '@signalbox/bus'
import { type Api, startApi } from './api-harness.ts'
import { recordOf, report } from './usage-harness.ts'

const DAY_MS = 86_400_000
let api: Api
beforeAll(async () => {
  api = await startApi()
})
afterAll(() => api.end())

const counts = async (): Promise<Record<string, number>> => {
  const { text } = await api.call('GET', '/metrics')
  const lines = text.matchAll(/^signalbox_usage_records_total\{outcome="(\w+)"\} (\d+)$/gm)
  return Object.fromEntries([...lines].map(([, outcome, count]) => [outcome, Number(count)]))
}

describe('what proxies report', () => {
  it('is stored once; what nothing can mend is counted and left out', async () => {
    const good = [recordOf('1'), recordOf('2')]
    const odd = { ...recordOf('3'), status: 'odd' } as never
    const late = recordOf('4', { atMs: Date.now() - 32 * DAY_MS })
    const early = recordOf('5', { atMs: Date.now() + 2 * DAY_MS })
    const foreign = recordOf('6', { proxy: 'p2' })
    await report(api, [...good, odd, late, early, foreign])
    await report(api, good)
    const kept = await api.store.requests.list({ limit: 9 })
    expect(kept.map(({ id }) => id)).toEqual(['2', '1'])
    expect(await counts()).toEqual({ stored: 2, repeated: 2, malformed: 2, out_of_time: 2 })
  })

  it('is refused while it cannot be stored, so that it is sent again', async () => {
    const broken = await startApi()
    await broken.store.close()
    const bus = broken.hub.connect()
    const batch = { proxy: 'p1', id: 'b', text: `${JSON.stringify(recordOf('1'))}\n` }
    await expect(bus.deliverUsage(batch)).rejects.toBeInstanceOf(BusUnavailable)
    await broken.end()
  })
})
