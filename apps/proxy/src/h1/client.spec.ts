import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { systemClock } from '@signalbox/host'
import { eventually, manualClock } from '@signalbox/testing'
import type { Dispatcher } from 'undici'
import Pool from 'undici/lib/dispatcher/pool.js'
import { Client } from './client.ts'

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

let server: Server
let port: number
let sockets: Socket[]
/** What the backend does with the bytes that come. */
let serve: (socket: Socket, text: string) => void

beforeEach(async () => {
  sockets = []
  serve = (socket) => socket.write(OK)
  server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {}).on('data', (bytes) => serve(socket, bytes.toString('latin1')))
  })
  port = await listen(server)
})
afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  if (!server.listening) return
  server.close()
  await once(server, 'close')
})

async function listen(one: Server): Promise<number> {
  one.listen(0, '127.0.0.1')
  await once(one, 'listening')
  return (one.address() as AddressInfo).port
}

interface Asked {
  status: number
  body: string
  error: (Error & { code?: string }) | null
  started: number
  ended: number
  controller: Dispatcher.DispatchController | null
}

interface Asking extends Partial<Dispatcher.DispatchHandler> {
  readonly body?: Buffer | AsyncIterable<Buffer> | null
  readonly headers?: readonly string[]
  readonly idleMs?: number
}

type Dispatches = Pick<Client, 'dispatch'>

function ask(
  client: Dispatches,
  { body = Buffer.from('{}'), headers, idleMs, ...on }: Asking = {},
) {
  const asked: Asked = { status: 0, body: '', error: null, started: 0, ended: 0, controller: null }
  const options = {
    ...{ method: 'POST', path: '/a', headers: [...(headers ?? ['x-a', '1'])] },
    body: body as never,
  }
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart: (controller, context) => {
      asked.started += 1
      asked.controller = controller
      on.onRequestStart?.(controller, context)
    },
    onResponseStart: (controller, status, head) => {
      asked.status = status
      on.onResponseStart?.(controller, status, head)
    },
    onResponseData: (controller, chunk) => {
      asked.body += chunk.toString('latin1')
      on.onResponseData?.(controller, chunk)
    },
    onResponseEnd: () => (asked.ended += 1),
    onResponseError: (_controller, error) => {
      asked.ended += 1
      asked.error = error
    },
  }
  client.dispatch({ ...options, headersTimeout: 0, bodyTimeout: idleMs ?? 0 }, handler)
  return asked
}

const ended = (...all: Asked[]) => eventually(() => all.every((one) => one.ended > 0))

const kinds = {
  ours: () => new Client({ hostname: '127.0.0.1', port, host: `127.0.0.1:${port}` }, systemClock),
  "undici's": () => new Pool(`http://127.0.0.1:${port}`, { pipelining: 1 }),
}

describe.each(Object.entries(kinds))('a client of plain HTTP, %s', (_name, open) => {
  let client: ReturnType<typeof open>
  beforeEach(() => (client = open()))
  afterEach(() => client.destroy())

  it('sends what it is given, and uses a connection again', async () => {
    const texts: string[] = []
    serve = (socket, text) => {
      texts.push(text)
      socket.write(OK)
    }
    for (const body of ['{"a":1}', '{"b":2}']) {
      const asked = ask(client, { body: Buffer.from(body), headers: ['x-name', 'märz'] })
      await ended(asked)
      expect(asked).toMatchObject({ status: 200, body: 'ok', error: null, started: 1, ended: 1 })
    }
    expect(sockets).toHaveLength(1)
    const lines = texts[0]?.split('\r\n') ?? []
    expect([lines[0], lines.at(-1)]).toEqual(['POST /a HTTP/1.1', '{"a":1}'])
    expect(lines).toEqual(
      expect.arrayContaining([`host: 127.0.0.1:${port}`, 'content-length: 7', 'x-name: märz']),
    )
  })

  it('sends a large body whole', async () => {
    const body = Buffer.alloc(3_000_000, 'x')
    let bytes = 0
    serve = (socket, text) => {
      bytes += text.length
      if (text.endsWith('x') && bytes > body.length) socket.write(OK)
    }
    const asked = ask(client, { body })
    await ended(asked)
    expect(asked).toMatchObject({ status: 200, error: null })
  })

  it.each([
    ['in chunks', [], 'transfer-encoding: chunked', '2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n'],
    ['by its length', ['content-length', '5'], 'content-length: 5', 'abcde'],
  ])('sends a body that comes in pieces as it comes, %s', async (_how, headers, line, sent) => {
    let text = ''
    const first = Promise.withResolvers<void>()
    serve = (socket, more) => {
      text += more
      if (text.includes('ab')) first.resolve()
      if (text.endsWith(sent)) socket.write(OK)
    }
    async function* body() {
      yield Buffer.from('ab')
      await first.promise
      yield Buffer.alloc(0)
      yield Buffer.from('cde')
    }
    const asked = ask(client, { headers, body: body() })
    await ended(asked)
    expect([asked.body, asked.error]).toEqual(['ok', null])
    expect(text.split('\r\n\r\n')[0]?.split('\r\n')).toContain(line)
    const next = ask(client)
    serve = (socket) => socket.write(OK)
    await ended(next)
    expect([next.body, sockets.length]).toEqual(['ok', 1])
  })

  it.each([
    ['fails', 5],
    ['is shorter than was said', 9],
    ['is longer than was said', 1],
  ])('ends a request whose body %s', async (what, length) => {
    serve = () => {}
    async function* body() {
      yield Buffer.from('ab')
      await new Promise(setImmediate)
      if (what === 'fails') throw new Error('the client left')
      yield Buffer.from('cd')
    }
    const asked = ask(client, { headers: ['content-length', String(length)], body: body() })
    await ended(asked)
    expect([asked.error !== null, asked.ended]).toEqual([true, 1])
  })

  it('takes an answer that comes before the body is over, and never uses the rest', async () => {
    let left = false
    const answered = Promise.withResolvers<void>()
    async function* body() {
      try {
        yield Buffer.from('ab')
        await answered.promise
        yield Buffer.from('cd')
        yield Buffer.from('ef')
      } finally {
        left = true
      }
    }
    const asked = ask(client, { headers: [], body: body() })
    await ended(asked)
    answered.resolve()
    await eventually(() => left)
    const next = ask(client)
    await ended(next)
    expect([asked.body, next.body, sockets.length]).toEqual(['ok', 'ok', 2])
  })

  it('has many under way, each answered with its own', async () => {
    serve = (socket, text) => {
      const name = /x-a: (\w+)/.exec(text)?.[1] ?? ''
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${name.length}\r\n\r\n${name}`)
    }
    const all = Array.from({ length: 100 }, (_, n) => ask(client, { headers: ['x-a', `n${n}`] }))
    await ended(...all)
    expect(all.map(({ body }) => body)).toEqual(all.map((_, n) => `n${n}`))
    expect(all.every((one) => one.ended === 1)).toBe(true)
  })

  it.each([
    ['closes before it answers', (socket: Socket) => socket.end(), 0],
    ['closes in a head', (socket: Socket) => socket.end('HTTP/1.1 200'), 0],
    ['closes in a body', (socket: Socket) => socket.end(OK.slice(0, -1)), 200],
    ['resets', (socket: Socket) => socket.resetAndDestroy(), 0],
    ['speaks another protocol', (socket: Socket) => socket.write('SSH-2.0-OpenSSH\r\n\r\n'), 0],
    [
      'ends chunks early',
      (socket: Socket) =>
        socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n'),
      200,
    ],
  ])('says so where the backend %s', async (_what, answer, status) => {
    serve = (socket) => answer(socket)
    const asked = ask(client)
    await ended(asked)
    expect([asked.status, asked.error !== null, asked.started]).toEqual([status, true, 1])
    serve = (socket) => socket.write(OK)
    const next = ask(client)
    await ended(next)
    expect([next.body, asked.ended, sockets.length]).toEqual(['ok', 1, 2])
  })

  it('says that nobody listens, without having begun', async () => {
    server.close()
    await once(server, 'close')
    const asked = ask(client)
    await ended(asked)
    expect([asked.error?.code, asked.started, asked.ended]).toEqual(['ECONNREFUSED', 0, 1])
  })

  it('never uses a connection again on which more came than was asked for', async () => {
    serve = (socket) => socket.write(`${OK}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil`)
    const first = ask(client)
    await ended(first)
    serve = (socket) => socket.write(OK)
    const second = ask(client)
    await ended(second)
    expect([second.body, sockets.length]).toEqual(['ok', 2])
  })

  it('ends a request that is given up, and its connection', async () => {
    serve = (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab')
    const gone = Promise.withResolvers<void>()
    const asked = ask(client, {
      onResponseData: (controller) => {
        sockets[0]?.once('close', () => gone.resolve())
        controller.abort(new Error('enough'))
      },
    })
    await ended(asked)
    await gone.promise
    expect([asked.error?.message, asked.ended]).toEqual(['enough', 1])
  })

  it('ends a request whose answer the handler cannot take', async () => {
    const asked = ask(client, {
      onResponseStart: () => {
        throw new Error('not with me')
      },
    })
    await ended(asked)
    expect([asked.error?.message, asked.ended]).toEqual(['not with me', 1])
  })

  it('holds the backend back while the handler is paused', async () => {
    const part = Buffer.alloc(1_000_000, 'x')
    let written = 0
    serve = (socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${50 * part.length}\r\n\r\n`)
      const more = () => {
        while (written < 50) {
          written += 1
          if (!socket.write(part)) return void socket.once('drain', more)
        }
      }
      more()
    }
    const asked = ask(client, { onResponseStart: (controller) => controller.pause() })
    await eventually(() => asked.status === 200)
    for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate)
    expect([written < 50, asked.body.length < part.length]).toEqual([true, true])
    asked.controller?.resume()
    await ended(asked)
    expect([asked.body.length, asked.error]).toEqual([50 * part.length, null])
  })

  it('refuses to write what would be another header', async () => {
    for (const headers of [
      ['x-a', '1\r\nx-b: 2'],
      ['x a', '1'],
      ['x-a', 'a\0b'],
    ]) {
      const asked = ask(client, { headers })
      await ended(asked)
      expect(asked.error).not.toBeNull()
    }
    expect(sockets.every(({ bytesRead }) => bytesRead === 0)).toBe(true)
  })
})

describe('only our own client', () => {
  it('loses no connection to a request that was given up before it was written', async () => {
    const client = kinds.ours()
    const given = ask(client, { onRequestStart: (controller) => controller.abort(new Error('no')) })
    const kept = ask(client)
    await ended(given, kept)
    const next = ask(client)
    await ended(next)
    expect([given.error?.message, kept.body, next.body]).toEqual(['no', 'ok', 'ok'])
    expect(sockets.length).toBeLessThan(3)
    expect(sockets.every(({ destroyed }) => !destroyed)).toBe(true)
    client.destroy()
  })

  it('ends an answer that falls silent, to the millisecond, and no sooner', async () => {
    const clock = manualClock()
    const client = new Client({ hostname: '127.0.0.1', port, host: 'h' }, clock)
    serve = (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab')
    const asked = ask(client, { idleMs: 300 })
    await eventually(() => asked.body === 'ab')
    clock.advance(299)
    sockets[0]?.write('c')
    await eventually(() => asked.body === 'abc')
    clock.advance(299)
    expect(asked.ended).toBe(0)
    clock.advance(1)
    await ended(asked)
    expect(asked.error).toMatchObject({ code: 'BODY_TIMEOUT' })
    client.destroy()
    await eventually(() => clock.pending() === 0)
  })

  it('lets idle connections go after four seconds, or sooner where the backend says so', async () => {
    const clock = manualClock()
    const client = new Client({ hostname: '127.0.0.1', port, host: 'h' }, clock)
    const first = ask(client)
    await ended(first)
    clock.advance(3_999)
    await ended(ask(client))
    expect(sockets).toHaveLength(1)
    clock.advance(5_000)
    await eventually(() => client.stats.connected === 0)
    serve = (socket) => socket.write(OK.replace('\r\n\r\n', '\r\nkeep-alive: timeout=2\r\n\r\n'))
    const second = ask(client)
    await ended(second)
    clock.advance(1_000)
    const third = ask(client)
    await ended(third)
    expect(sockets).toHaveLength(3)
    client.destroy()
    await eventually(() => clock.pending() === 0 && client.stats.connected === 0)
  })

  it('gives up a connection that does not come about, after thirty seconds', async () => {
    const clock = manualClock()
    // Nobody answers from a documentation address; where there is no route at all, that is said.
    const client = new Client({ hostname: '192.0.2.1', port: 9, host: 'h' }, clock)
    const asked = ask(client)
    clock.advance(30_000)
    await ended(asked)
    expect(['CONNECT_TIMEOUT', 'ENETUNREACH', 'EHOSTUNREACH']).toContain(asked.error?.code)
    expect(asked.started).toBe(0)
  })

  it('serves what is under way when it is closed, and then nothing is left', async () => {
    const clock = manualClock()
    const client = new Client({ hostname: '127.0.0.1', port, host: 'h' }, clock)
    let answer = () => {}
    serve = (socket) => (answer = () => socket.write(OK))
    const asked = ask(client)
    await eventually(() => asked.started === 1 && sockets.length === 1)
    client.close()
    await eventually(() => (answer(), asked.ended === 1))
    expect(asked.body).toBe('ok')
    await eventually(() => client.stats.connected === 0)
    expect(clock.pending()).toBe(0)
  })

  it('ends all at once when it is destroyed', async () => {
    serve = () => {}
    const client = kinds.ours()
    const all = Array.from({ length: 5 }, () => ask(client))
    await eventually(() => all.filter(({ started }) => started === 1).length > 1)
    client.destroy()
    await ended(...all)
    expect(all.every((one) => one.error !== null && one.ended === 1)).toBe(true)
  })
})
