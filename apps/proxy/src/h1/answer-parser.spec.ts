import { type IncomingHttpHeaders, request } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { once } from 'node:events'
import { seededRandom } from '@signalbox/testing'
import fc from 'fast-check'
import { AnswerParser, HEAD_BYTES_MAX, MalformedAnswer } from './answer-parser.ts'

interface Heard {
  status: number
  headers: IncomingHttpHeaders
  body: string
  done: boolean
  /** Bytes behind the answer. */
  rest: number
  keepAlive: boolean
}

/** What is heard of these bytes, read in these pieces, `closed` behind them. */
function hear(pieces: readonly Buffer[], { method = 'POST', closed = false } = {}): Heard {
  const heard: Heard = { status: 0, headers: {}, body: '', done: false, rest: 0, keepAlive: false }
  const parser = new AnswerParser({
    onHead: (status, headers) => Object.assign(heard, { status, headers }),
    onBody: (bytes) => (heard.body += bytes.toString('latin1')),
  })
  parser.expect(method)
  for (const piece of pieces) {
    const taken = parser.read(piece)
    if (parser.done) heard.rest += piece.length - taken
  }
  if (closed && !parser.done) parser.end()
  return Object.assign(heard, { done: parser.done, keepAlive: parser.keepAlive })
}

const whole = (text: string, options?: { method?: string; closed?: boolean }) =>
  hear([Buffer.from(text, 'latin1')], options)
const bytewise = (text: string) =>
  hear([...Buffer.from(text, 'latin1')].map((byte) => Buffer.of(byte)))

const COUNTED =
  'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX-A:  1 \r\nx-a: 2\r\nContent-Length: 5\r\n\r\nhello'
const CHUNKED =
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7;name="v"\r\n, world\r\n0\r\nX-Sum: 1\r\n\r\n'

describe('an answer', () => {
  it('by length, in chunks, to the end of the connection, or without a body', () => {
    const counted = whole(COUNTED)
    expect(counted).toMatchObject({
      status: 200,
      body: 'hello',
      done: true,
      keepAlive: true,
      rest: 0,
    })
    expect({ ...counted.headers }).toEqual({
      'content-type': 'text/plain',
      'x-a': ['1', '2'],
      'content-length': '5',
    })
    expect(whole(CHUNKED)).toMatchObject({ body: 'hello, world', done: true, keepAlive: true })
    expect(whole('HTTP/1.1 200 OK\r\n\r\nto the end', { closed: true })).toMatchObject({
      ...{ body: 'to the end', done: true, keepAlive: false },
    })
    expect(whole('HTTP/1.1 204 \r\ncontent-length: 3\r\n\r\n')).toMatchObject({
      done: true,
      body: '',
    })
    expect(whole('HTTP/1.1 304\r\n\r\n')).toMatchObject({ done: true, keepAlive: true })
    expect(whole(COUNTED.slice(0, -5), { method: 'HEAD' })).toMatchObject({ done: true, body: '' })
    expect(whole('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')).toMatchObject({ done: true })
  })

  it('after interim ones, and says whether the connection goes on', () => {
    const interim = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: <a>\r\n\r\n'
    expect(whole(interim + COUNTED)).toMatchObject({ status: 200, body: 'hello', done: true })
    const connection = (version: string, value: string) =>
      whole(`HTTP/1.${version} 200 OK\r\nConnection: ${value}\r\nContent-Length: 0\r\n\r\n`)
        .keepAlive
    expect(connection('1', 'x, Close')).toBe(false)
    expect(connection('1', 'not-close')).toBe(true)
    expect(connection('0', 'x')).toBe(false)
    expect(connection('0', 'keep-alive')).toBe(true)
  })

  it('is the same wherever its bytes are cut', () => {
    const texts = [COUNTED, CHUNKED, `HTTP/1.1 100 Continue\r\n\r\n${CHUNKED}`]
    for (const text of texts) {
      const bytes = Buffer.from(text)
      for (let at = 0; at <= bytes.length; at++) {
        expect(hear([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(whole(text))
      }
      expect(bytewise(text)).toEqual(whole(text))
    }
  })

  it('of any bodies comes out as it went in, cut anywhere', () => {
    const parts = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 6 })
    fc.assert(
      fc.property(parts, fc.array(fc.integer({ min: 1, max: 30 })), (chunks, sizes) => {
        const body = Buffer.concat(chunks)
        const framed = Buffer.concat([
          Buffer.from('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'),
          ...chunks.flatMap((chunk) => [
            Buffer.from(`${chunk.length.toString(16)}\r\n`),
            chunk,
            Buffer.from('\r\n'),
          ]),
          Buffer.from('0\r\n\r\n'),
        ])
        const pieces: Buffer[] = []
        let at = 0
        for (const size of sizes) pieces.push(framed.subarray(at, (at += size)))
        const heard = hear([...pieces, framed.subarray(at)])
        expect([heard.body, heard.done, heard.rest]).toEqual([body.toString('latin1'), true, 0])
      }),
    )
  })

  it('ends where it ends: what stands behind it is counted', () => {
    expect(whole(`${COUNTED}HTTP/1.1 200 OK\r\n`)).toMatchObject({ body: 'hello', rest: 17 })
    expect(whole(`${CHUNKED}x`)).toMatchObject({ body: 'hello, world', rest: 1 })
  })
})

const head = (lines: string) => `HTTP/1.1 200 OK\r\n${lines}\r\n\r\n`
const MALFORMED: readonly [string, string][] = [
  ['no HTTP', 'SSH-2.0-OpenSSH\r\n\r\n'],
  ['another version', 'HTTP/2.0 200 OK\r\n\r\n'],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
  ['a switch that nobody asked for', 'HTTP/1.1 101 Switching\r\n\r\n'],
  ['a bare LF in the head', 'HTTP/1.1 200 OK\nx: 1\r\n\r\n'],
  ['a bare CR in a value', head('x: 1\r2')],
  ['a NUL', head('x: \0')],
  ['a folded header', head('x: 1\r\n 2')],
  ['a name with a blank', head('x : 1')],
  ['no name', head(': 1')],
  ['no colon', head('x')],
  ['two lengths', head('content-length: 1\r\ncontent-length: 1')],
  ['a list of lengths', head('content-length: 1, 1')],
  ['a length that is no number', head('content-length: +1')],
  ['a negative length', head('content-length: -1')],
  ['a length that no number holds', head('content-length: 99999999999999999')],
  ['a length and chunks', head('content-length: 1\r\ntransfer-encoding: chunked')],
  ['another encoding', head('transfer-encoding: gzip, chunked')],
  ['chunks twice', head('transfer-encoding: chunked\r\ntransfer-encoding: chunked')],
  ['chunks in HTTP/1.0', 'HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'],
  ['a chunk without a size', `${head('transfer-encoding: chunked')}\r\n`],
  ['a size in another form', `${head('transfer-encoding: chunked')}0x1\r\na\r\n`],
  ['a size that no number holds', `${head('transfer-encoding: chunked')}ffffffffffffffff\r\n`],
  ['a size line that ends in LF', `${head('transfer-encoding: chunked')}1\na\r\n`],
  ['a chunk longer than its size', `${head('transfer-encoding: chunked')}1\r\nab\r\n`],
  ['a trailer that is none', `${head('transfer-encoding: chunked')}0\r\nx y\r\n\r\n`],
  ['a size line without an end', `${head('transfer-encoding: chunked')}1;${'x'.repeat(5_000)}`],
  [
    'trailers without an end',
    `${head('transfer-encoding: chunked')}0\r\n${'a: b\r\n'.repeat(5_000)}`,
  ],
  ['interim answers without an end', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(33)],
  ['a head without an end', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(HEAD_BYTES_MAX)}`],
]

describe('what is no answer', () => {
  it.each(MALFORMED)('%s is refused, in one piece and byte by byte', (_what, text) => {
    expect(() => whole(text)).toThrow(MalformedAnswer)
    expect(() => bytewise(text)).toThrow(MalformedAnswer)
  })

  it('an end within one is no end', () => {
    for (const text of ['', 'HTTP/1.1 200', COUNTED.slice(0, -1), CHUNKED.slice(0, -1)]) {
      expect(() => whole(text, { closed: true })).toThrow(MalformedAnswer)
    }
  })
})

/** A known answer with some of its bytes changed, doubled, left out or taken from another. */
function mutate(random: () => number): Buffer {
  const seeds = [COUNTED, CHUNKED, head('connection: close\r\ncontent-length: 3') + 'abc']
  const pick = <Item>(items: readonly Item[]) => items[Math.floor(random() * items.length)]!
  const bytes = [...Buffer.from(pick(seeds), 'latin1')]
  const spice = ['\r', '\n', '\r\n', ' ', '\t', ':', '\0', '0', 'f', ';', ',', '-', '\xff']
  for (let times = 1 + Math.floor(random() * 3); times > 0; times--) {
    const at = Math.floor(random() * bytes.length)
    const what = random()
    const other = [...Buffer.from(pick(spice), 'latin1')]
    if (what < 0.3) bytes.splice(at, 1)
    else if (what < 0.6) bytes.splice(at, 0, ...other)
    else if (what < 0.9) bytes.splice(at, 1, ...other)
    else bytes.splice(at, 0, ...bytes.slice(at, at + Math.floor(random() * 20)))
  }
  return Buffer.from(bytes)
}

function verdict(pieces: readonly Buffer[]): Heard | 'refused' {
  try {
    return hear(pieces, { closed: true })
  } catch (error) {
    if (error instanceof MalformedAnswer) return 'refused'
    throw error
  }
}

describe('10,000 damaged answers', () => {
  it('are read alike in one piece and byte by byte, or refused', () => {
    const random = seededRandom(7)
    let refused = 0
    for (let n = 0; n < 10_000; n++) {
      const bytes = mutate(random)
      const one = verdict([bytes])
      if (one === 'refused') refused += 1
      const bitten = verdict([...bytes].map((byte) => Buffer.of(byte)))
      if (JSON.stringify(bitten) !== JSON.stringify(one)) expect(bitten).toEqual(one)
    }
    expect(refused).toBeGreaterThan(1_000)
    expect(refused).toBeLessThan(9_500)
  })

  it('are refused wherever Node itself refuses them, and read as Node reads them', async () => {
    let bytes = Buffer.alloc(0)
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.end(bytes))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const random = seededRandom(11)
    try {
      for (let n = 0; n < 600; n++) {
        bytes = Buffer.from(mutate(random))
        const ours = verdict([bytes])
        // What stands behind an answer ends the connection here, and the answer there.
        if (ours === 'refused' || ours.rest > 0) continue
        const theirs = await asNodeReads(port)
        const where = JSON.stringify(bytes.toString('latin1'))
        expect([where, theirs]).toEqual([where, { status: ours.status, body: ours.body }])
      }
    } finally {
      server.close()
    }
  })
})

function asNodeReads(port: number): Promise<{ status: number; body: string } | 'refused'> {
  return new Promise((resolve) => {
    const refuse = () => resolve('refused')
    const asked = request({ port, host: '127.0.0.1', method: 'POST', agent: false }, (answer) => {
      let body = ''
      answer
        .setEncoding('latin1')
        .on('data', (part: string) => (body += part))
        .on('error', refuse)
        .on('end', () => resolve({ status: answer.statusCode ?? 0, body }))
    })
    asked.on('error', refuse).end()
  })
}
