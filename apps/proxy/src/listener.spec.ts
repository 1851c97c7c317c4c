// Clients that take their time, at a listener whose times are short.
import { once } from 'node:events'
import { type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { createListener } from './listener.ts'

const times = { headersMs: 150, requestMs: 300, checkMs: 20 }
let server: Server
let sockets: Socket[]
let served: string[]

beforeEach(async () => {
  sockets = []
  served = []
  const serve: Parameters<typeof createListener>[1] = (request, response) => {
    request.resume()
    request.on('error', () => {})
    request.once('end', () => {
      served.push(request.url ?? '')
      response.end('ok')
    })
  }
  server = createListener(() => 100_000, serve, times)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})

afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
})

/** Writes the text, then the drop again and again until the connection ends; answers what came. */
function drip(text: string, drop: string): Promise<string> {
  const { port } = server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  sockets.push(socket)
  return new Promise((resolve) => {
    let got = ''
    const dripping = setInterval(() => socket.writable && socket.write(drop), 10)
    // At once: on a slow machine a drop may be due before the connection is there.
    socket.on('error', () => {}).write(text)
    socket.setEncoding('utf8').on('data', (part) => (got += part))
    socket.on('close', () => {
      clearInterval(dripping)
      resolve(got)
    })
  })
}

const timedOut = /^HTTP\/1\.1 408 [^]*"code":"request_timeout"/
const CHUNKED = 'POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n'

describe('a client that takes its time', () => {
  it.each([
    ['over its headers', 'GET / HTTP/1.1\r\nhost: a\r\n', 'x: 1\r\n'],
    ['over its first line', 'GET /', 'x'],
    ['over a body', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 90000\r\n\r\n', 'x'],
    ['over a body in chunks', CHUNKED, '1\r\nx\r\n'],
    ['over a chunk extension', `${CHUNKED}1;`, 'x'],
    ['over its trailers', `${CHUNKED}0\r\n`, 'x: 1\r\n'],
  ])('%s is told so, and its connection ends', async (_, text, drop) => {
    expect(await drip(text, drop)).toMatch(timedOut)
    expect(served).toEqual([])
  })

  it('does not hold up the others', async () => {
    const slow = Array.from({ length: 50 }, () => drip('GET / HTTP/1.1\r\n', 'x: 1\r\n'))
    const { port } = server.address() as AddressInfo
    expect(await (await fetch(`http://127.0.0.1:${port}/quick`)).text()).toBe('ok')
    for (const got of await Promise.all(slow)) expect(got).toMatch(timedOut)
    expect(served).toEqual(['/quick'])
  })
})
