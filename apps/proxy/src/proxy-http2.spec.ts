// Backends behind TLS, over real sockets: sessions of TLS and of HTTP/2.
import {
  createSecureServer,
  type Http2SecureServer,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import { type AddressInfo } from 'node:net'
import { type TLSSocket } from 'node:tls'
import { CERTIFICATE, eventually, KEY } from '@signalbox/testing'
import { apply, chat, hello, proxy, useProxy } from './proxy-harness.ts'

useProxy()

const ask = { ...hello, model: 'far' }
let server: Http2SecureServer
let sessions: ServerHttp2Session[]
/** Of each connection, whether its TLS session was one from before. */
let reused: boolean[]
let waiting: (() => void)[]
let holds: boolean
/** Of each answer, where it is not the usual one; and what was written of all of those. */
let bytes: number
let written: number

beforeEach(async () => {
  ;[sessions, reused, waiting, holds] = [[], [], [], false]
  ;[bytes, written] = [0, 0]
  server = createSecureServer({ key: KEY, cert: CERTIFICATE })
  server.on('session', (session) => sessions.push(session))
  server.on('secureConnection', (socket: TLSSocket) => reused.push(socket.isSessionReused()))
  server.on('stream', (stream) => {
    stream.on('error', () => {}).resume()
    stream.respond({ ':status': 200, 'content-type': 'application/json' })
    if (bytes > 0) return pour(stream, bytes)
    stream.write('{"half":')
    if (holds) waiting.push(() => stream.end('1}'))
    else stream.end('1}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  await apply('backend', 'far', spec())
})
afterEach(() => {
  for (const session of sessions) session.destroy()
  server.close()
})

function spec() {
  const { port } = server.address() as AddressInfo
  return {
    ...{ kind: 'openai-compatible', url: `https://127.0.0.1:${port}`, models: ['far'] },
    ...{ tls: { caPem: CERTIFICATE }, limits: { connections: 2 } },
  }
}

/** As fast as it is taken. */
function pour(stream: ServerHttp2Stream, count: number): void {
  const piece = Buffer.alloc(16_384, 'x')
  const more = () => {
    for (; count > 0; count -= piece.length) {
      const part = piece.subarray(0, count)
      written += part.length
      if (!stream.write(part)) {
        count -= piece.length
        return void stream.once('drain', more)
      }
    }
    stream.end()
  }
  more()
}

const far = () => [...proxy.configuration.backends()].find(({ id }) => id === 'far')?.upstream

it('one request after the other goes over one session', async () => {
  for (let n = 0; n < 5; n++) expect(await (await chat(ask)).json()).toEqual({ half: 1 })
  expect(sessions).toHaveLength(1)
})

it('requests at the same time share it, up to the connections of the backend', async () => {
  holds = true
  const all = [1, 2, 3].map(() => chat(ask))
  await eventually(() => waiting.length === 2 && far()?.stats().pending === 1)
  for (const end of waiting.splice(0)) end()
  await eventually(() => waiting.length === 1)
  waiting.pop()?.()
  for (const one of all) expect(await (await one).json()).toEqual({ half: 1 })
  expect(sessions).toHaveLength(1)
})

it('clients that do not read hold nobody up who shares the session with them', async () => {
  await apply('backend', 'far', { ...spec(), limits: { connections: 10 } })
  await (await chat(ask)).text()
  bytes = 16_000_000
  const slow = await Promise.all(Array.from({ length: 6 }, () => chat(ask)))
  // All that fits on the way is on its way.
  let [sent, same] = [0, 0]
  await eventually(() => {
    same = written === sent ? same + 1 : 0
    sent = written
    return same === 10
  })
  bytes = 100
  expect(await (await chat(ask)).text()).toHaveLength(100)
  expect(sessions).toHaveLength(1)
  for (const one of slow) await one.body?.cancel()
})

it('GOAWAY ends a session when its request has ended, and the next one has another', async () => {
  holds = true
  const first = chat(ask)
  await eventually(() => waiting.length === 1)
  sessions[0]?.close()
  const second = chat(ask)
  await eventually(() => waiting.length === 2)
  for (const end of waiting) end()
  expect(await (await first).json()).toEqual({ half: 1 })
  expect(await (await second).json()).toEqual({ half: 1 })
  await eventually(() => sessions[0]?.destroyed === true)
  expect(sessions).toHaveLength(2)
})

it('another connection resumes the TLS session of the one before: no second full handshake', async () => {
  await (await chat(ask)).text()
  sessions[0]?.destroy()
  await eventually(() => far()?.stats().open === 0)
  await (await chat(ask)).text()
  expect(reused).toEqual([false, true])
})
