// Second attempts beside one that is late, over real sockets.
import { eventually, type MockBackend, startMockBackend } from '@signalbox/testing'
import { apply, backend, base, chat, hello, useProxy } from './proxy-harness.ts'

useProxy()

let other: MockBackend
beforeEach(async () => {
  other = await startMockBackend({ models: ['m1'] })
})
afterEach(() => other.stop())

const hedge = { enabled: true, afterMs: 1, budgetPercent: 100 }
/** b1 is asked first; b2 is a second one of the same tier. */
async function two(more: object = {}): Promise<void> {
  await apply('policy', 'default', { strategy: 'WeightedRoundRobin', hedge, ...more })
  await apply('backend', 'b2', { kind: 'openai-compatible', url: other.url, models: ['m1'] })
  const targets = [{ backend: 'b1', weight: 1000 }, { backend: 'b2' }]
  await apply('route', 'm1', { tiers: [{ targets }] })
}
const metric = async (name: string) => {
  const metrics = await (await fetch(`${base}/metrics`)).text()
  const line = metrics.split('\n').find((one) => one.startsWith(`${name} `))
  return Number(line?.split(' ')[1] ?? 0)
}
const hedges = (result: string) => metric(`signalbox_hedges_total{result="${result}"}`)
const attempts = (id: string, outcome: string) =>
  metric(`signalbox_attempts_total{backend="${id}",outcome="${outcome}"}`)

describe('an attempt that is late', () => {
  it('is overtaken by a second one at another backend, and broken off at once', async () => {
    await two()
    backend.hang()
    const answer = await chat(hello)
    expect([answer.status, answer.headers.get('x-signalbox-backend')]).toEqual([200, 'b2'])
    expect(answer.headers.get('x-signalbox-attempts')).toBe('2')
    await answer.text()
    await backend.disconnected()
    expect([backend.requests.length, other.requests.length]).toEqual([1, 1])
    expect([await hedges('won'), await hedges('lost')]).toEqual([1, 0])
    expect([await attempts('b1', 'outrun'), await attempts('b2', 'answered')]).toEqual([1, 1])
  })

  it('may still be the first to answer: then the second one is broken off', async () => {
    await two()
    other.hang()
    backend.answerWith((_request, response) => {
      void other.requested().then(() => response.writeHead(200).end('mine'))
    })
    const answer = await chat(hello)
    expect([answer.headers.get('x-signalbox-backend'), await answer.text()]).toEqual(['b1', 'mine'])
    await other.disconnected()
    expect([await hedges('lost'), await attempts('b2', 'outrun')]).toEqual([1, 1])
  })

  it('does not win by a refusal while the other may answer', async () => {
    await two()
    backend.answerWith((_request, response) => {
      void other.requested().then(() => response.writeHead(503).end('{}'))
    })
    other.holdEvents()
    const asked = chat(hello)
    await eventually(async () => (await attempts('b1', 'status_503')) === 1)
    other.release()
    const answer = await asked
    expect([answer.status, answer.headers.get('x-signalbox-backend')]).toEqual([200, 'b2'])
  })

  it('is the answer, whatever it says, where the second one fails', async () => {
    await two()
    await other.refuse()
    backend.answerWith((_request, response) => {
      void eventually(async () => (await attempts('b2', 'upstream_connect_failed')) === 1).then(
        () => response.writeHead(503).end('{"mine":1}'),
      )
    })
    const answer = await chat(hello)
    expect([answer.status, await answer.text()]).toEqual([503, '{"mine":1}'])
    expect(await hedges('lost')).toBe(1)
  })

  it('leaves nothing behind when both fail, and the client hears of it', async () => {
    await two({ timeouts: { firstByteMs: 300 } })
    backend.hang()
    other.hang()
    const answer = await chat(hello)
    expect(answer.status).toBe(504)
    await backend.disconnected()
    await other.disconnected()
    expect(await hedges('failed')).toBe(1)
    const health = await (await fetch(`${base}/admin/health`)).json()
    const { backends } = health as { backends: { inFlight: number }[] }
    expect(backends.map(({ inFlight }) => inFlight)).toEqual([0, 0])
  })

  it('and its second one both end when the client leaves', async () => {
    await two()
    backend.hang()
    other.hang()
    const left = new AbortController()
    const asked = chat(hello, {}, left.signal).catch(() => 'left')
    await other.requested()
    left.abort()
    expect(await asked).toBe('left')
    await backend.disconnected()
    await other.disconnected()
  })
})

describe('no second attempt is made', () => {
  it('unless the policy wants it', async () => {
    await two({ hedge: { ...hedge, enabled: false } })
    backend.answerWith((_request, response) => {
      setTimeout(() => response.writeHead(200).end('{}'), 30)
    })
    await (await chat(hello)).text()
    expect(other.requests).toHaveLength(0)
  })

  it('beyond the share of requests that may have one', async () => {
    await two({ hedge: { ...hedge, budgetPercent: 1 } })
    backend.answerWith((_request, response) => {
      setTimeout(() => response.writeHead(200).end('{}'), 30)
    })
    for (let n = 0; n < 3; n++) await (await chat(hello)).text()
    expect(other.requests).toHaveLength(0)
    expect(await metric('signalbox_hedges_refused_total')).toBe(3)
  })

  it('of what may leave something behind, unless the policy says so', async () => {
    const respond = () =>
      fetch(`${base}/v1/responses`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'm1', input: 'Hello' }),
      }).then((answer) => answer.text())
    await two()
    backend.answerWith((_request, response) => {
      setTimeout(() => response.writeHead(200).end('{}'), 30)
    })
    await respond()
    expect(other.requests).toHaveLength(0)
    await apply('policy', 'default', { hedge: { ...hedge, unsafe: true } })
    backend.hang()
    await respond()
    expect(other.requests.length + backend.requests.length).toBeGreaterThan(2)
  })

  it('in another tier: what is dearer is for failures', async () => {
    await two()
    const tiers = ['b1', 'b2'].map((id) => ({ targets: [{ backend: id }] }))
    await apply('route', 'm1', { tiers })
    backend.answerWith((_request, response) => {
      setTimeout(() => response.writeHead(200).end('{}'), 30)
    })
    await (await chat(hello)).text()
    expect(other.requests).toHaveLength(0)
  })
})

it('where no time is named, late is what most requests of the route are not', async () => {
  await two({ hedge: { enabled: true, budgetPercent: 100 } })
  for (let n = 0; n < 30; n++) await (await chat(hello)).text()
  expect(other.requests.length + backend.requests.length).toBeGreaterThanOrEqual(30)
  const before = other.requests.length
  backend.hang()
  const answer = await chat(hello)
  expect([answer.status, answer.headers.get('x-signalbox-backend')]).toEqual([200, 'b2'])
  expect(other.requests.length).toBeGreaterThan(before)
})
