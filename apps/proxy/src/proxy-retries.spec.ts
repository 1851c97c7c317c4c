// Retries after a status, over real sockets.
import { type MockBackend, startMockBackend } from '@signalbox/testing'
import { apply, backend, base, chat, codeOf, hello, useProxy } from './proxy-harness.ts'

useProxy()

let other: MockBackend
beforeEach(async () => {
  other = await startMockBackend({ models: ['m1'] })
})
afterEach(() => other.stop())

const backoff = { baseMs: 1, maxMs: 5 }
const addOther = () =>
  apply('backend', 'b2', { kind: 'openai-compatible', url: other.url, models: ['m1'] })
const asked = () => backend.requests.length + other.requests.length

describe('a status that the policy lists', () => {
  it('is tried elsewhere, and the client sees the good answer alone', async () => {
    await apply('policy', 'default', { retry: { on: [429], backoff } })
    await addOther()
    backend.failWith(429, { headers: { 'retry-after': '60' } })
    for (let n = 0; n < 4; n++) {
      const answer = await chat(hello)
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([200, null])
      expect(answer.headers.get('x-signalbox-backend')).toBe('b2')
      await answer.text()
    }
    expect(backend.requests.length).toBeGreaterThan(0)
    const metrics = await (await fetch(`${base}/metrics`)).text()
    expect(metrics).toMatch(/signalbox_retries_total\{reason="status_429"\} [1-4]\n/)
  })

  it.each([0, 1, 2])(
    'costs 1 + %i attempts, and the last answer is passed on',
    async (maxRetries) => {
      await apply('policy', 'default', { retry: { maxRetries, on: ['connect', 503], backoff } })
      backend.failWith(503, { body: '{"error":"mine"}', headers: { 'retry-after': '1' } })
      const answer = await chat(hello)
      expect([answer.status, await answer.text()]).toEqual([503, '{"error":"mine"}'])
      expect(backend.requests).toHaveLength(1 + maxRetries)
      expect(answer.headers.get('x-signalbox-attempts')).toBe(String(1 + maxRetries))
    },
  )

  it('goes to the fallback route when no retry is left', async () => {
    await apply('policy', 'p', { retry: { maxRetries: 1, on: [429], backoff } })
    await addOther()
    const to = (name: string) => [{ targets: [{ backend: name, model: 'm1' }] }]
    await apply('route', 'spare', { tiers: to('b2') })
    await apply('route', 'main', { tiers: to('b1'), fallbacks: ['spare'], policy: 'p' })
    backend.failWith(429)
    const answer = await chat({ ...hello, model: 'main' })
    expect([answer.status, answer.headers.get('x-signalbox-backend')]).toEqual([200, 'b2'])
  })

  it('stays within the budget of the route', async () => {
    await apply('policy', 'default', { retry: { on: [429], budgetPercent: 1, backoff } })
    backend.failWith(429)
    for (let n = 0; n < 40; n++) await (await chat(hello)).text()
    // 80 would have been made without it: ten in reserve, and what time brings.
    expect(asked() - 40).toBeLessThan(30)
    const metrics = await (await fetch(`${base}/metrics`)).text()
    expect(metrics).toMatch(/signalbox_retries_refused_total [1-9]/)
  })
})

it('a status that it does not list is passed on at once', async () => {
  await addOther()
  backend.failWith(429, { times: 1 })
  other.failWith(429, { times: 1 })
  expect((await chat(hello)).status).toBe(429)
  expect(asked()).toBe(1)
})

it('a failure to connect is final where the policy does not list it', async () => {
  await apply('policy', 'default', { retry: { on: [] } })
  await addOther()
  await backend.refuse()
  await other.refuse()
  const answer = await chat(hello)
  expect(await codeOf(answer)).toBe('upstream_connect_failed')
  expect(answer.headers.get('x-signalbox-attempts')).toBe('1')
})
