// What requests cost, and what happens when a key has spent its budget.
import { createHash } from 'node:crypto'
import { createMetrics, systemClock } from '@signalbox/host'
import { decodeRecords, periodBegin, type RequestRecord } from '@signalbox/model'
import { eventually } from '@signalbox/testing'
import {
  apply,
  backend,
  chat,
  codeOf,
  hello,
  hub,
  proxy,
  start,
  useProxy,
} from './proxy-harness.ts'

useProxy()

const TOKEN = `sbx-${'A'.repeat(43)}`
const hash = createHash('sha256').update(TOKEN).digest('hex')
const auth = { authorization: `Bearer ${TOKEN}` }
const key = (budget: object) => apply('key', 'k1', { hash, budget })
const PRICE = { inputPerMTok: 1_000_000, outputPerMTok: 1_000_000 }
const priced = (price: object = PRICE) =>
  apply('backend', 'b1', { kind: 'openai-compatible', url: backend.url, models: ['m1'], price })
const say = (usd: number, day = periodBegin('day', Date.now())) =>
  hub.connect().sendSpending({ v: 1, lines: [['k1', day, usd]] })
const ask = async () => {
  const answer = await chat(hello, auth)
  await answer.arrayBuffer()
  return answer.status
}

describe('a budget', () => {
  it('that is used up refuses the key, and no other', async () => {
    await priced({ inputPerMTok: 0, outputPerMTok: 0 })
    await key({ usd: 5, period: 'day' })
    expect(await ask()).toBe(200)
    say(4.99)
    expect(await ask()).toBe(200)
    say(5)
    await eventually(async () => (await ask()) === 403)
    const refused = await chat(hello, auth)
    expect(await codeOf(refused)).toBe('budget_exceeded')
    expect((await chat(hello)).status).toBe(200)
  })

  it('counts what was spent here before anybody says so', async () => {
    await priced()
    await key({ usd: 1, period: 'month' })
    expect([await ask(), await ask()]).toEqual([200, 403])
  })

  it('refuses nobody where it is there to alert', async () => {
    await priced()
    await key({ usd: 1, period: 'day', action: 'alert' })
    expect([await ask(), await ask()]).toEqual([200, 200])
  })

  it('is there again in the next period, and when it is raised', async () => {
    const nowMs = () => systemClock.nowMs() + aheadMs
    let aheadMs = 0
    await proxy.stop()
    await start({}, { clock: { ...systemClock, nowMs } })
    await priced()
    await key({ usd: 1, period: 'day' })
    expect([await ask(), await ask()]).toEqual([200, 403])
    aheadMs = 86_400_000
    expect([await ask(), await ask()]).toEqual([200, 403])
    await key({ usd: 1_000_000, period: 'day' })
    expect(await ask()).toBe(200)
  })
})

it('a request is recorded with its cost where it has one', async () => {
  const all: RequestRecord[] = []
  hub.connect().onUsage(({ text }) => {
    all.push(...decodeRecords(text).records)
    return Promise.resolve()
  })
  const metrics = createMetrics()
  await proxy.stop()
  await start({}, { metrics })
  await apply('key', 'k1', { hash })
  await priced({ inputPerMTok: 1, outputPerMTok: 2 })
  await ask()
  await apply('backend', 'b1', {
    ...{ kind: 'openai-compatible', url: backend.url, models: ['m1'] },
  })
  await ask()
  backend.failWith(500)
  await ask()
  await eventually(() => all.length === 3)
  const [one, unpriced, failed] = all
  expect(one?.costUsd).toBeGreaterThan(0)
  const { prompt, completion } = one?.tokens ?? { prompt: 0, completion: 0 }
  expect(one?.costUsd).toBeCloseTo(((prompt ?? 0) + 2 * (completion ?? 0)) / 1e6, 12)
  expect([unpriced?.costUsd, failed?.costUsd]).toEqual([null, null])
  const text = await metrics.metrics()
  expect(text).toMatch(/^signalbox_cost_usd_total\{route="m1",estimated="false"\} 0\.0/m)
})
