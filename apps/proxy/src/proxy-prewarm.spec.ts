// Connections that are made before the first request, over real sockets.
import { once } from 'node:events'
import { createSecureServer, type Http2SecureServer } from 'node:http2'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { fingerprint, seal } from '@signalbox/host'
import {
  CERTIFICATE,
  eventually,
  KEY,
  type MockBackend,
  startMockBackend,
} from '@signalbox/testing'
import { apply, base, chat, hello, masterKey, proxy, useProxy } from './proxy-harness.ts'

useProxy()

let other: MockBackend
beforeEach(async () => {
  other = await startMockBackend({ models: ['m2'] })
})
afterEach(() => other.stop())

const credentialOf = (id: string) => ({
  sealed: seal('s3cret', masterKey, `default/backend/${id}`),
  fingerprint: fingerprint('s3cret', masterKey),
})
const add = (id: string, more: object = {}) =>
  apply('backend', id, {
    ...{ kind: 'openai-compatible', url: other.url, models: ['m2'], prewarm: true },
    ...more,
  })
async function warmed(outcome: string): Promise<number> {
  const metrics = await (await fetch(`${base}/metrics`)).text()
  const line = new RegExp(`signalbox_prewarm_total\\{outcome="${outcome}"\\} (\\d+)`)
  return Number(line.exec(metrics)?.[1] ?? 0)
}

describe('a new backend', () => {
  it('is connected to by one free call, before any request, and the request takes that', async () => {
    await add('b2', { kind: 'openai', credential: credentialOf('b2') })
    await eventually(async () => (await warmed('warm')) === 1)
    expect(other.requests).toMatchObject([
      { method: 'GET', path: '/v1/models', headers: { authorization: 'Bearer s3cret' } },
    ])
    expect((await chat({ ...hello, model: 'm2' })).status).toBe(200)
    expect(other.connections.total).toBe(1)
    await apply('policy', 'p', {})
    expect(other.requests).toHaveLength(2)
  })

  it.each([
    ['anthropic', 'POST', '/v1/messages', { 'x-api-key': 's3cret' }, '{}'],
    ['gemini', 'GET', '/v1/models', { authorization: 'Bearer s3cret' }, ''],
  ])('of kind %s: %s %s', async (kind, method, path, headers, body) => {
    await add('b2', { kind, credential: credentialOf('b2') })
    await eventually(async () => (await warmed('warm')) === 1)
    const [call] = other.requests
    expect(call).toMatchObject({ method, path, headers })
    expect(call?.body.toString()).toBe(body)
    if (kind === 'anthropic') expect(call?.headers['anthropic-version']).toBe('2023-06-01')
  })

  it('that refuses the call is as warm as any, and no worse for it', async () => {
    other.failWith(400)
    await add('b2', { kind: 'anthropic' })
    await eventually(async () => (await warmed('warm')) === 1)
    const health = await (await fetch(`${base}/admin/health`)).json()
    const { backends } = health as { backends: { id: string }[] }
    expect(backends.find(({ id }) => id === 'b2')).toMatchObject({
      ...{ eligible: true, inFlight: 0, breaker: { state: 'closed', failures: 0 } },
    })
  })

  it('behind TLS is reached by HTTP/2, and the first request finds the session', async () => {
    const paths: string[] = []
    let sessions = 0
    const server: Http2SecureServer = createSecureServer({ key: KEY, cert: CERTIFICATE })
    server.on('session', () => (sessions += 1))
    server.on('stream', (stream, headers) => {
      paths.push(`${headers[':method']} ${headers[':path']} ${headers['authorization']}`)
      stream.respond({ ':status': 200, 'content-type': 'application/json' })
      stream.end('{}')
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    await add('b2', {
      ...{ kind: 'openai', url: `https://127.0.0.1:${port}`, tls: { caPem: CERTIFICATE } },
      credential: credentialOf('b2'),
    })
    await eventually(async () => (await warmed('warm')) === 1)
    expect((await chat({ ...hello, model: 'm2' })).status).toBe(200)
    expect(paths).toEqual([
      'GET /v1/models Bearer s3cret',
      'POST /v1/chat/completions Bearer s3cret',
    ])
    expect(sessions).toBe(1)
    await proxy.stop()
    server.close()
  })

  it('that moves is connected to anew', async () => {
    await add('b2')
    await eventually(async () => (await warmed('warm')) === 1)
    const third = await startMockBackend({ models: ['m2'] })
    await add('b2', { url: third.url })
    await third.requested(1, '/v1/models')
    await third.stop()
  })
})

describe('nobody waits for it', () => {
  it('neither the start nor a request, where the backend says nothing or is not there', async () => {
    const silent = createServer()
    const sockets: Socket[] = []
    silent.on('connection', (socket) => sockets.push(socket.on('error', () => {}).resume()))
    await once(silent.listen(0, '127.0.0.1'), 'listening')
    const { port } = silent.address() as AddressInfo
    await add('b3', { url: `http://127.0.0.1:${port}`, models: ['m3'] })
    await eventually(() => sockets.length === 1)
    expect((await fetch(`${base}/readyz`)).status).toBe(200)
    expect((await chat(hello)).status).toBe(200)
    await other.refuse()
    await add('b2')
    await eventually(async () => (await warmed('failed')) === 1)
    expect((await chat(hello)).status).toBe(200)
    // The call that is still under way ends with the proxy.
    await proxy.stop()
    await eventually(() => sockets.every(({ destroyed }) => destroyed))
    silent.close()
  })
})

it.each([
  ['that says so', { prewarm: false }],
  ['that is out of service', { enabled: false }],
  ['with one connection alone', { limits: { connections: 1 } }],
  ['whose credential does not open', { credential: { sealed: 'AAAA', fingerprint: 'f' } }],
])('a backend %s is not called', async (_what, more) => {
  await add('b2', more)
  // Of two backends the first is called first.
  await add('b3')
  await eventually(async () => (await warmed('warm')) === 1)
  expect(other.requests).toHaveLength(1)
})
