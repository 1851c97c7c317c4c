// The strategies that look at the request, over real sockets.
import { type MockBackend, startMockBackend } from '@signalbox/testing'
import { apply, backend, chat, hello, useProxy } from './proxy-harness.ts'

useProxy()

let others: MockBackend[]
beforeEach(async () => {
  others = [await startMockBackend({ models: ['m1'] }), await startMockBackend({ models: ['m1'] })]
  for (const [n, other] of others.entries()) {
    const spec = { kind: 'openai-compatible', url: other.url, models: ['m1'] }
    await apply('backend', `c${n}`, spec)
  }
})
afterEach(async () => {
  for (const other of others) await other.stop()
})

/** How many backends answered these requests. */
async function spread(requests: readonly (() => Promise<Response>)[]): Promise<number> {
  const ids = new Set<string | null>()
  for (const request of requests) {
    const answer = await request()
    expect(answer.status).toBe(200)
    ids.add(answer.headers.get('x-signalbox-backend'))
    await answer.text()
  }
  return ids.size
}
const times = <T>(count: number, make: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => make(n))

describe('ConsistentHash', () => {
  it('keeps a session by header, or by user, and spreads others', async () => {
    await apply('policy', 'default', { strategy: 'ConsistentHash' })
    const session = (id: string) => () => chat(hello, { 'x-session-id': id })
    expect(await spread(times(6, () => session('s1')))).toBe(1)
    expect(await spread(times(24, (n) => session(`s${n}`)))).toBe(3)
    expect(await spread(times(6, () => () => chat({ ...hello, user: 'u1' })))).toBe(1)
    expect(await spread(times(24, (n) => () => chat({ ...hello, user: `u${n}` })))).toBe(3)
  })

  it('looks at the header that the policy names, and at nothing else', async () => {
    const hashOn = { header: 'X-Tenant' }
    await apply('policy', 'default', { strategy: 'ConsistentHash', hashOn })
    expect(await spread(times(6, () => () => chat(hello, { 'x-tenant': 't' })))).toBe(1)
    // By the fallback strategy: round robin.
    expect(await spread(times(6, () => () => chat({ ...hello, user: 'u' })))).toBe(3)
  })

  it('passes over a backend that accepts no connection', async () => {
    await apply('policy', 'default', { strategy: 'ConsistentHash' })
    await backend.refuse()
    expect(await spread(times(12, (n) => () => chat({ ...hello, user: `u${n}` })))).toBe(2)
  })
})

describe('PrefixAware', () => {
  it('brings the turns of a conversation to one backend, and spreads conversations', async () => {
    await apply('policy', 'default', { strategy: 'PrefixAware' })
    const turn = (question: string, turns: number) => () => {
      const messages = [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: question },
        ...times(turns, (n) => ({ role: n % 2 ? 'user' : 'assistant', content: `${n}` })),
      ]
      return chat({ model: 'm1', messages })
    }
    expect(await spread(times(6, (n) => turn('Why?', n)))).toBe(1)
    expect(await spread(times(24, (n) => turn(`Why ${n}?`, 0)))).toBe(3)
  })
})

it('LeastLatency leaves a backend that refuses quickly', async () => {
  await apply('policy', 'default', { strategy: 'LeastLatency' })
  backend.failWith(429, { headers: { 'retry-after': '30' } })
  const statuses = []
  for (let n = 0; n < 20; n++) {
    const answer = await chat(hello)
    statuses.push(answer.status)
    await answer.text()
  }
  expect(statuses.filter((status) => status === 429)).toHaveLength(1)
})
