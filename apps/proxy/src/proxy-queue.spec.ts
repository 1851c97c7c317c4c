// The proxy over real sockets: requests that wait, and clients that do not.
import { eventually, startMockBackend } from '@signalbox/testing'
import { apply, backend, base, chat, codeOf, hello, hub, proxy, useProxy } from './proxy-harness.ts'

useProxy()

const limits = { connections: 1, pending: 2 }
const spec = () => ({ kind: 'openai-compatible', url: backend.url, models: ['m1'], limits })
const waiting = () => {
  const [live] = proxy.configuration.backends()
  return live?.upstream.stats().pending
}
const numbered = (n: number, signal?: AbortSignal) => chat({ ...hello, n }, {}, signal)
const order = () => backend.requests.map(({ body }) => JSON.parse(body.toString()).n)

describe('requests over the connections of a backend', () => {
  beforeEach(async () => {
    await apply('backend', 'b1', spec())
    backend.holdEvents()
  })

  it('wait, oldest first, and those over the limit are refused', async () => {
    const asked = [numbered(1)]
    await backend.requested(1)
    for (const n of [2, 3]) {
      asked.push(numbered(n))
      await eventually(() => waiting() === n - 1)
    }
    const over = await numbered(4)
    expect([over.status, await codeOf(over)]).toEqual([503, 'backend_full'])
    expect(over.headers.get('retry-after')).toBe('1')
    backend.release()
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([200, 200, 200])
    expect(order()).toEqual([1, 2, 3])
    expect(backend.connections.total).toBe(1)
  })

  it('leave the queue with their client, and the backend never hears of them', async () => {
    const first = numbered(1)
    await backend.requested(1)
    for (let i = 0; i < 5; i++) {
      const leaving = new AbortController()
      const asked = numbered(2, leaving.signal).catch(() => 'left')
      await eventually(() => waiting() === 1)
      leaving.abort()
      expect(await asked).toBe('left')
      await eventually(() => waiting() === 0)
    }
    const last = numbered(3)
    await eventually(() => waiting() === 1)
    backend.release()
    expect([(await first).status, (await last).status]).toEqual([200, 200])
    expect(order()).toEqual([1, 3])
    expect(backend.connections.total).toBe(1)
  })

  it.each(['127.0.0.1', 'localhost'])(
    'that wait while the network is tightened do not go to %s',
    async (host) => {
      await apply('backend', 'b1', { ...spec(), url: `http://${host}:${backend.port}` })
      const first = numbered(1)
      await backend.requested(1)
      const second = numbered(2)
      await eventually(() => waiting() === 1)
      await apply('settings', 'default', { network: { allow: ['public'] } })
      backend.release()
      expect((await first).status).toBe(200)
      const refused = await second
      expect([refused.status, await codeOf(refused)]).toEqual([502, 'upstream_address_refused'])
      expect(order()).toEqual([1])
    },
  )

  it('that wait while the address changes are still served, where they were going', async () => {
    const other = await startMockBackend({ models: ['m1'] })
    const first = numbered(1)
    await backend.requested(1)
    const second = numbered(2)
    await eventually(() => waiting() === 1)
    await apply('backend', 'b1', { ...spec(), url: other.url })
    expect((await numbered(3)).status).toBe(200)
    backend.release()
    expect([(await first).status, (await second).status]).toEqual([200, 200])
    expect([order(), other.requests.length]).toEqual([[1, 2], 1])
    await eventually(() => backend.connections.open === 0)
    await other.stop()
  })
})

describe('a client that leaves', () => {
  it('while its model is being discovered costs no backend anything', async () => {
    await apply('backend', 'b2', { kind: 'openai-compatible', url: backend.url })
    backend.setModels(['found'])
    const leaving = new AbortController()
    const found = { ...hello, model: 'found' }
    const asked = chat({ ...found, n: 1 }, {}, leaving.signal).catch(() => 'left')
    const active = async () => /^active_connections (\d+)$/m.exec(await metrics())?.[1]
    await eventually(async () => (await active()) === '1')
    leaving.abort()
    expect(await asked).toBe('left')
    await eventually(async () => (await active()) === '0')
    const times = { sinceMs: 1, checkedAtMs: 1, latencyMs: 1 }
    const seen = {
      backend: 'b2',
      health: 'ready',
      error: null,
      observer: 'p',
      revision: 2,
    } as const
    const probe = hub.connect()
    probe.sendStatus({ observer: 'p', statuses: [{ ...seen, ...times, models: ['found'] }] })
    expect((await chat({ ...found, n: 2 })).status).toBe(200)
    expect(order()).toEqual([2])
    await probe.close()
  })

  it('before its answer began is not counted as answered', async () => {
    backend.hang()
    const leaving = new AbortController()
    const asked = chat(hello, {}, leaving.signal).catch(() => 'left')
    await backend.requested(1)
    leaving.abort()
    expect(await asked).toBe('left')
    await eventually(async () => /http_requests_total\{.*status="408"\} 1/.test(await metrics()))
    expect(await metrics()).not.toMatch(/http_requests_total\{.*status="200"/)
  })
})

const metrics = async () => (await fetch(`${base}/metrics`)).text()

describe('unused connections', () => {
  const idle = () => {
    const [live] = proxy.configuration.backends()
    return live?.upstream.stats().idle
  }
  const three = async () => {
    const before = backend.requests.length
    backend.holdEvents()
    const asked = [1, 2, 3].map((n) => numbered(n))
    await backend.requested(before + 3)
    backend.release()
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([200, 200, 200])
  }

  it('are kept up to limits.idleConnections, and a change of that holds at once', async () => {
    const keeping = (idleConnections: number) => ({
      ...spec(),
      limits: { connections: 5, idleConnections },
      timeouts: { idleConnectionMs: '1h' },
    })
    await apply('backend', 'b1', keeping(1))
    await three()
    await eventually(() => idle() === 1)
    await apply('backend', 'b1', keeping(2))
    await three()
    await eventually(() => idle() === 2)
  })

  it('are closed after timeouts.idleConnectionMs', async () => {
    await apply('backend', 'b1', { ...spec(), timeouts: { idleConnectionMs: 1 } })
    expect((await numbered(1)).status).toBe(200)
    await eventually(() => idle() === 0)
    expect((await numbered(2)).status).toBe(200)
    expect(backend.connections.total).toBe(2)
  })
})
