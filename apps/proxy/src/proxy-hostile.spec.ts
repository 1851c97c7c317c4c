// What hostile clients write, at the real listener: nothing of it may reach a backend, or as more
// than the one request that it is. Each text comes in one piece, line by line, and cut in its middle.
import { connect } from 'node:net'
import { backend, base, chat, codeOf, hello, useProxy } from './proxy-harness.ts'

useProxy()

const json = 'content-type: application/json'
const body = JSON.stringify(hello)
const host = 'host: a'
const line = 'POST /v1/chat/completions HTTP/1.1'
const sized = `content-length: ${body.length}`
const post = (head: readonly string[], text = body) =>
  `${[line, ...head].join('\r\n')}\r\n\r\n${text}`
const chunked = (text: string, head: readonly string[] = []) =>
  post([host, json, 'transfer-encoding: chunked', ...head], text)
const chunk = `${body.length.toString(16)}\r\n${body}\r\n`
/** What stands behind each text: where a reader takes it for a request, it was smuggled. */
const smuggled = post([host, json, sized, 'user-agent: smuggled'])

type Cut = (text: string) => readonly string[]
const CUTS: Readonly<Record<string, Cut>> = {
  'in one piece': (text) => [text],
  'line by line': (text) => text.split(/(?<=\n)/),
  'cut in its middle': (text) => [text.slice(0, text.length / 2), text.slice(text.length / 2)],
}

/** Writes one piece after the other has left, and answers all that comes back. */
function send(pieces: readonly string[]): Promise<string> {
  const { port } = new URL(base)
  return new Promise((resolve) => {
    const socket = connect({ port: Number(port), host: '127.0.0.1', noDelay: true })
    const left = [...pieces]
    const next = () => {
      const piece = left.shift()
      if (piece !== undefined && socket.writable) socket.write(piece, 'latin1', next)
    }
    let got = ''
    socket.on('connect', next).on('error', () => {})
    socket.setEncoding('latin1').on('data', (part) => (got += part))
    socket.on('close', () => resolve(got))
  })
}

const statuses = (got: string) => got.match(/HTTP\/1\.1 \d{3}/g)?.map((one) => one.slice(9)) ?? []

/** Refused with a 4xx, or the connection just ends: and nothing behind it is read. */
const REFUSED: readonly (readonly [string, string])[] = [
  ['a length and chunks', chunked(`0\r\n\r\n`, [sized])],
  ['chunks and a length, in that order', post([host, json, sized, 'transfer-encoding: chunked'])],
  ['a coding with a tab before it', post([host, json, 'transfer-encoding:\tchunked', sized])],
  ['a coding with a vertical tab', chunked('0\r\n\r\n').replace(': chunked', ': \x0bchunked')],
  ['a coding in quotes', chunked('0\r\n\r\n').replace(': chunked', ': "chunked"')],
  ['another coding', chunked('0\r\n\r\n').replace(': chunked', ': xchunked')],
  ['a list of codings', chunked('0\r\n\r\n').replace(': chunked', ': chunked, identity')],
  ['identity', chunked(body).replace(': chunked', ': identity')],
  ['a coding twice', chunked('0\r\n\r\n', ['transfer-encoding: chunked'])],
  ['a coding twice, the second another', chunked('0\r\n\r\n', ['Transfer-Encoding: x'])],
  ['a coding with a blank before the colon', chunked('0\r\n\r\n').replace('g: c', 'g : c')],
  ['a coding on a folded line', chunked('0\r\n\r\n').replace(': chunked', ':\r\n chunked')],
  [
    'a coding with a bare LF',
    chunked('0\r\n\r\n').replace(': chunked', ': x\ntransfer-encoding: chunked'),
  ],
  ['a coding with a bare CR', chunked('0\r\n\r\n').replace('chunked\r\n', 'chunked\rx: y\r\n')],
  ['chunks in HTTP/1.0', chunked(`${chunk}0\r\n\r\n`).replace('HTTP/1.1', 'HTTP/1.0')],
  ['two lengths', post([host, json, sized, 'content-length: 0'])],
  ['the same length twice', post([host, json, sized, sized])],
  ['a list of lengths', post([host, json, `${sized}, ${body.length}`])],
  ['a length with a plus', post([host, json, `content-length: +${body.length}`])],
  ['a negative length', post([host, json, 'content-length: -1'])],
  ['a length in hex', post([host, json, 'content-length: 0x10'])],
  ['a length with a blank in it', post([host, json, 'content-length: 1 0'])],
  ['a length that no number holds', post([host, json, 'content-length: 99999999999999999999'])],
  ['an empty length', post([host, json, 'content-length:'])],
  ['a length in other digits', post([host, json, 'content-length: \xb2'])],
  ['a chunk size with a sign', chunked(`+${chunk}0\r\n\r\n`)],
  ['a chunk size with 0x', chunked(`0x${chunk}0\r\n\r\n`)],
  ['a chunk size with a blank before it', chunked(` ${chunk}0\r\n\r\n`)],
  ['a chunk size with an underscore', chunked(`1_0\r\n${body}\r\n0\r\n\r\n`)],
  ['a chunk size that no number holds', chunked(`fffffffffffffffff\r\n${body}\r\n0\r\n\r\n`)],
  ['no chunk size', chunked(`\r\n${body}\r\n0\r\n\r\n`)],
  ['a chunk longer than its size', chunked(`1\r\n${body}\r\n0\r\n\r\n`)],
  ['a chunk size that ends in LF', chunked(`${chunk.replace('\r\n', '\n')}0\r\n\r\n`)],
  ['a chunk that ends in LF', chunked(`${chunk.slice(0, -2)}\n0\r\n\r\n`)],
  ['a chunk extension with a bare CR', chunked(chunk.replace('\r\n', ';a\rb\r\n') + '0\r\n\r\n')],
  ['a chunk extension with a bare LF', chunked(chunk.replace('\r\n', ';a\nb\r\n') + '0\r\n\r\n')],
  ['a trailer that frames anew', chunked(`${chunk}0\r\ncontent-length : 5\r\n\r\n`)],
  ['a folded header', post([host, json, sized, 'x-a: 1', ' folded: 1'])],
  ['a folded first header', post([' x-a: 1', host, json, sized])],
  ['a blank before a colon', post([host, json, `content-length : ${body.length}`])],
  ['a tab before a colon', post([host, json, `content-length\t: ${body.length}`])],
  ['a header without a colon', post([host, json, sized, 'x-a'])],
  ['a header without a name', post([host, json, sized, ': 1'])],
  ['a header name with a slash', post([host, json, sized, 'x/a: 1'])],
  ['a header name beyond ASCII', post([host, json, sized, 'x-\xe9: 1'])],
  ['a NUL in a name', post([host, json, sized, 'x\0a: 1'])],
  ['a NUL in a value', post([host, json, sized, 'x-a: 1\x002'])],
  ['a bare CR in a value', post([host, json, sized, 'x-a: 1\r2: 3'])],
  ['a bare LF in a value', post([host, json, sized, 'x-a: 1\n2: 3'])],
  ['lines that end in LF', post([host, json, sized]).replaceAll('\r\n', '\n')],
  ['a DEL in a name', post([host, json, sized, 'x\x7f: 1'])],
  ['two hosts', post([host, 'host: b', json, sized])],
  ['two hosts that are the same', post([host, 'Host: a', json, sized])],
  ['no host', post([json, sized])],
  ['two content types', post([host, json, 'content-type: text/plain', sized])],
  ['two credentials', post([host, json, sized, 'authorization: x', 'authorization: y'])],
  ['an absolute target', post([host, json, sized]).replace(' /v1', ' http://b/v1')],
  ['a target of another scheme', post([host, json, sized]).replace(' /v1', ' file:///v1')],
  ['a target with two slashes', post([host, json, sized]).replace(' /v1', ' //b/v1')],
  ['a target without a slash', post([host, json, sized]).replace(' /v1', ' v1')],
  ['a target with a blank', post([host, json, sized]).replace('/chat', '/ch at')],
  ['a target with a NUL', post([host, json, sized]).replace('/chat', '/ch\0at')],
  ['a target with a tab', post([host, json, sized]).replace('/chat', '/ch\tat')],
  ['a target over the limit', post([host, json, sized]).replace('/chat', `/${'x'.repeat(9_000)}`)],
  ['no target', post([host, json, sized]).replace('/v1/chat/completions ', '')],
  ['HTTP/0.9', 'POST /v1/chat/completions\r\n\r\n'],
  ['HTTP/2 prior knowledge', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['HTTP/1.2', post([host, json, sized]).replace('HTTP/1.1', 'HTTP/1.2')],
  ['HTTP in lower case', post([host, json, sized]).replace('HTTP/1.1', 'http/1.1')],
  ['CONNECT', 'CONNECT b:80 HTTP/1.1\r\nhost: b:80\r\n\r\n'],
  ['TRACE to a host', 'TRACE http://b/ HTTP/1.1\r\nhost: b\r\n\r\n'],
  ['a method that is none', post([host, json, sized]).replace('POST', 'PO ST')],
  ['a method beyond ASCII', post([host, json, sized]).replace('POST', 'P\xd6ST')],
  ['a header over the limit', post([host, json, sized, `x-a: ${'y'.repeat(17_000)}`])],
  ['many headers over the limit', post([host, json, sized, ...Array(4_000).fill('x-a: 1234')])],
  ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
]

describe.each(Object.entries(CUTS))('a text that comes %s', (_how, cut) => {
  it.each(REFUSED)('with %s is refused, and what follows is not served', async (_what, text) => {
    const got = await send(cut(text + smuggled))
    expect(statuses(got).filter((status) => !/^4\d\d$/.test(status))).toEqual([])
    expect(statuses(got).length).toBeLessThanOrEqual(1)
    expect(backend.requests).toEqual([])
  })

  it.each([
    ['chunks', chunked(`${chunk}0\r\n\r\n`)],
    ['many chunks', chunked([...body].map((one) => `1\r\n${one}\r\n`).join('') + '0\r\n\r\n')],
    ['chunk extensions', chunked(`${chunk.replace('\r\n', ';a=b;c="d;e"\r\n')}0;x\r\n\r\n`)],
    ['trailers', chunked(`${chunk}0\r\nx-signalbox-model: m9\r\nauthorization: x\r\n\r\n`)],
    ['a size of many zeros', chunked(`000000${chunk}0\r\n\r\n`)],
    ['an empty line before it', `\r\n${post([host, json, sized])}`],
    [
      'a body that looks like a request',
      post([host, json, `content-length: ${body.length + 2}`], `${body}\r\n`),
    ],
  ])('with %s is one request, whole, and the next one is the next one', async (_what, text) => {
    const got = await send(
      cut(text + smuggled.replace('user-agent', 'connection: close\r\nuser-agent')),
    )
    expect(statuses(got)).toEqual(['200', '200'])
    const seen = backend.requests.map(({ body: sent, rawHeaders }) => {
      const names = rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase())
      return { body: JSON.parse(sent.toString()), chunked: names.includes('transfer-encoding') }
    })
    expect(seen).toEqual([
      { body: hello, chunked: false },
      { body: hello, chunked: false },
    ])
  })
})

describe('headers of a client', () => {
  it('that are for one connection, or that Connection names, go no further', async () => {
    const hop = ['keep-alive: timeout=9', 'te: trailers', 'trailer: x', 'proxy-connection: close']
    const named = 'connection: close, User-Agent, x-mine'
    const agent = 'user-agent: mine'
    await send([post([host, json, sized, ...hop, named, agent, 'x-mine: 1', 'cookie: a=b'])])
    const { rawHeaders = [] } = backend.requests[0] ?? {}
    const names = rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase())
    for (const name of ['te', 'trailer', 'proxy-connection', 'keep-alive', 'x-mine', 'cookie']) {
      expect(names).not.toContain(name)
    }
    expect(names.filter((name) => name === 'connection')).toHaveLength(1)
    expect(names).not.toContain('user-agent')
  })

  it('that show who they are go to no backend, in whatever header', async () => {
    const shown = ['authorization', 'x-api-key', 'x-goog-api-key', 'proxy-authorization', 'cookie']
    for (const name of shown) await (await chat(hello, { [name]: 'client-canary' })).text()
    expect(backend.requests).toHaveLength(shown.length)
    expect(JSON.stringify(backend.requests.map((one) => one.rawHeaders))).not.toContain('canary')
  })
})

describe('headers of a backend', () => {
  it('that are for one connection, or that show a credential, go to no client', async () => {
    const headers = {
      connection: 'close, x-ratelimit-limit-requests',
      'x-ratelimit-limit-requests': '5',
      'keep-alive': 'timeout=1',
      'proxy-authenticate': 'canary',
      'www-authenticate': 'canary',
      'set-cookie': 'canary=1',
      authorization: 'canary',
      'x-api-key': 'canary',
      upgrade: 'h2c',
    }
    backend.failWith(200, { body: '{}', headers })
    const answer = await chat(hello)
    const text = JSON.stringify([...answer.headers])
    expect(text).not.toMatch(/canary|h2c/)
    expect(answer.headers.get('x-ratelimit-limit-requests')).toBeNull()
  })
})

describe('a body of JSON', () => {
  const deep = (levels: number) => `{"model":"m1","a":${'['.repeat(levels)}${']'.repeat(levels)}}`

  it('nested too deep is refused', async () => {
    const answer = await chat(deep(50_000 / 2))
    expect([answer.status, await codeOf(answer)]).toEqual([400, 'malformed_request'])
    expect(backend.requests).toEqual([])
    expect((await chat(deep(100))).status).toBe(200)
  })

  it.each(['__proto__', 'constructor', 'prototype'])(
    'with a member %s changes nothing but itself',
    async (name) => {
      const text = `{"model":"m1","messages":[],"${name}":{"polluted":1,"prototype":{"polluted":1}}}`
      expect((await chat(text)).status).toBe(200)
      expect(backend.requests[0]?.body.toString()).toBe(text)
      expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    },
  )

  it.each(['model', 'stream'])('with %s twice is refused, however it is escaped', async (name) => {
    const escaped = `\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}`
    for (const second of [name, escaped]) {
      const answer = await chat(`{"model":"m1","${name}":"m1","${second}":"m9"}`)
      expect([answer.status, await codeOf(answer)]).toEqual([400, 'duplicate_field'])
    }
    expect(backend.requests).toEqual([])
  })
})
