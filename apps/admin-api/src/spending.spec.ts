import { type Spending } from '@signalbox/model'
import { eventually } from '@signalbox/testing'
import { type Api, startApi } from './api-harness.ts'
import { recordOf, report } from './usage-harness.ts'

let api: Api
beforeAll(async () => {
  api = await startApi()
})
afterAll(() => api.end())

describe('what keys with budgets have spent', () => {
  it('is told to proxies, of the period that it is, and counted when it is used up', async () => {
    const heard: Spending[] = []
    api.hub.connect().onSpending((spending) => heard.push(spending))
    const spec = (budget?: object) => (budget ? { spec: { budget } } : { spec: {} })
    const make = (id: string, budget?: object) =>
      api.call('POST', 'keys', { body: { id, ...spec(budget) } }).then(({ status }) => status)
    expect(await make('daily', { usd: 1, period: 'day' })).toBe(201)
    expect(await make('soft', { usd: 0.5, period: 'month', action: 'alert' })).toBe(201)
    expect(await make('free')).toBe(201)
    const spent = (id: string, key: string, costUsd: number, atMs = Date.now()) =>
      recordOf(id, { key, costUsd, atMs })
    await report(api, [
      ...[spent('1', 'daily', 1.25), spent('2', 'soft', 0.4), spent('3', 'free', 9)],
      spent('4', 'daily', 7, Date.now() - 3 * 86_400_000),
    ])
    const last = () => new Map(heard.at(-1)?.lines.map(([key, , usd]) => [key, usd]))
    await eventually(() => last().get('daily') === 1.25, { timeoutMs: 30_000 })
    expect(last()).toEqual(
      new Map([
        ['daily', 1.25],
        ['soft', 0.4],
      ]),
    )
    const { text } = await api.call('GET', '/metrics')
    expect(text).toContain('signalbox_budgets_exceeded{action="block"} 1')
    expect(text).toContain('signalbox_budgets_exceeded{action="alert"} 0')
    const { json } = await api.call('GET', 'usage?groupBy=key')
    const free = json.items.find((item: { key: string }) => item.key === 'free')
    expect(free).toMatchObject({ costUsd: 9, costEstimatedUsd: 0 })
  })
})
