// Fallback routes, over real sockets.
import { type MockBackend, startMockBackend } from '@signalbox/testing'
import { apply, backend, chat, codeOf, hello, useProxy } from './proxy-harness.ts'

useProxy()

let other: MockBackend
beforeEach(async () => {
  other = await startMockBackend({ models: ['spare-1'] })
  await apply('backend', 'b2', { kind: 'vllm', url: other.url, models: [] })
  const to = (name: string, model: string) => [{ targets: [{ backend: name, model }] }]
  await apply('route', 'spare', { tiers: to('b2', 'spare-1') })
  await apply('route', 'middle', { tiers: to('b1', 'm1'), fallbacks: ['spare'] })
  await apply('route', 'main', { tiers: to('b1', 'm1'), fallbacks: ['middle'] })
})
afterEach(() => other.stop())

const ask = (model: string) => chat({ ...hello, model })

describe('a fallback', () => {
  it('is not asked while the route has somebody', async () => {
    const answer = await ask('main')
    expect([answer.status, answer.headers.get('x-signalbox-backend')]).toEqual([200, 'b1'])
    expect(other.requests).toHaveLength(0)
  })

  it('takes the request along the chain, by the name that its backend knows', async () => {
    await backend.refuse()
    const answer = await ask('main')
    expect([answer.status, answer.headers.get('x-signalbox-backend')]).toEqual([200, 'b2'])
    expect(other.requests.map(({ body }) => JSON.parse(body.toString()).model)).toEqual(['spare-1'])
  })

  it('takes it also when all are left alone, and gives it back', async () => {
    await backend.refuse()
    for (let n = 0; n < 6; n++) expect((await ask('main')).status).toBe(200)
    expect(other.requests).toHaveLength(6)
  })

  it('is not asked where the backend may have run the request, or has answered', async () => {
    backend.reset({ times: 1 })
    expect(await codeOf(await ask('main'))).toBe('upstream_failed')
    backend.failWith(500, { times: 1 })
    expect((await ask('main')).status).toBe(500)
    expect(other.requests).toHaveLength(0)
  })

  it('is never asked for a model that nobody knows', async () => {
    expect(await codeOf(await ask('unknown'))).toBe('model_not_found')
    expect(other.requests).toHaveLength(0)
  })

  it('that fails too leaves its own error', async () => {
    await backend.refuse()
    await other.refuse()
    const answer = await ask('main')
    expect([answer.status, await codeOf(answer)]).toEqual([502, 'upstream_connect_failed'])
    expect(answer.headers.get('x-signalbox-attempts')).toBe('3')
  })
})
