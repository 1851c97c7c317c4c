import { once } from 'node:events'
import { type Socket } from 'node:net'
import { eventually } from '@signalbox/testing'
import { ask, ended, kinds, OK, useWorld, world } from './client-harness.ts'

useWorld()

describe.each(Object.entries(kinds))('a client of plain HTTP, %s', (_name, open) => {
  let client: ReturnType<typeof open>
  beforeEach(() => (client = open()))
  afterEach(() => client.destroy())

  it('sends what it is given, and uses a connection again', async () => {
    const texts: string[] = []
    world.serve = (socket, text) => {
      texts.push(text)
      socket.write(OK)
    }
    for (const body of ['{"a":1}', '{"b":2}']) {
      const asked = ask(client, { body: Buffer.from(body), headers: ['x-name', 'märz'] })
      await ended(asked)
      expect(asked).toMatchObject({ status: 200, body: 'ok', error: null, started: 1, ended: 1 })
    }
    expect(world.sockets).toHaveLength(1)
    const lines = texts[0]?.split('\r\n') ?? []
    expect([lines[0], lines.at(-1)]).toEqual(['POST /a HTTP/1.1', '{"a":1}'])
    expect(lines).toEqual(
      expect.arrayContaining([
        `host: 127.0.0.1:${world.port}`,
        'content-length: 7',
        'x-name: märz',
      ]),
    )
  })

  it('sends a large body whole', async () => {
    const body = Buffer.alloc(3_000_000, 'x')
    let bytes = 0
    world.serve = (socket, text) => {
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
    world.serve = (socket, more) => {
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
    world.serve = (socket) => socket.write(OK)
    await ended(next)
    expect([next.body, world.sockets.length]).toEqual(['ok', 1])
  })

  it.each([
    ['fails', 5],
    ['is shorter than was said', 9],
    ['is longer than was said', 1],
  ])('ends a request whose body %s', async (what, length) => {
    world.serve = () => {}
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
    expect([asked.body, next.body, world.sockets.length]).toEqual(['ok', 'ok', 2])
  })

  it('has many under way, each answered with its own', async () => {
    world.serve = (socket, text) => {
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
    world.serve = (socket) => answer(socket)
    const asked = ask(client)
    await ended(asked)
    expect([asked.status, asked.error !== null, asked.started]).toEqual([status, true, 1])
    world.serve = (socket) => socket.write(OK)
    const next = ask(client)
    await ended(next)
    expect([next.body, asked.ended, world.sockets.length]).toEqual(['ok', 1, 2])
  })

  it('says that nobody listens, without having begun', async () => {
    world.server.close()
    await once(world.server, 'close')
    const asked = ask(client)
    await ended(asked)
    expect([asked.error?.code, asked.started, asked.ended]).toEqual(['ECONNREFUSED', 0, 1])
  })

  it('never uses a connection again on which more came than was asked for', async () => {
    world.serve = (socket) => socket.write(`${OK}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil`)
    const first = ask(client)
    await ended(first)
    world.serve = (socket) => socket.write(OK)
    const second = ask(client)
    await ended(second)
    expect([second.body, world.sockets.length]).toEqual(['ok', 2])
  })

  it('ends a request that is given up, and its connection', async () => {
    world.serve = (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab')
    const gone = Promise.withResolvers<void>()
    const asked = ask(client, {
      onResponseData: (controller) => {
        world.sockets[0]?.once('close', () => gone.resolve())
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
    world.serve = (socket) => {
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
    expect(world.sockets.every(({ bytesRead }) => bytesRead === 0)).toBe(true)
  })
})
