// The proxy over real sockets: requests, and what must not pass.
import { fingerprint, seal } from '@signalbox/host'
import {
  apply,
  backend,
  base,
  chat,
  codeOf,
  hello,
  masterKey,
  raw,
  useProxy,
} from './proxy-harness.ts'

useProxy()

describe('a request', () => {
  it('reaches the backend byte for byte and says who answered under which revision', async () => {
    const body = '{ "model" : "m1",\n "messages": [], "unknown_field": 1e2, "stream": false }'
    const answer = await chat(body, {
      'x-request-id': 'mine',
      authorization: 'Bearer client-key',
      cookie: 'c=1',
    })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('x-request-id')).toBe('mine')
    expect(answer.headers.get('x-signalbox-revision')).toBe('1')
    expect(answer.headers.get('x-signalbox-backend')).toBe('b1')
    expect(answer.headers.get('x-signalbox-attempts')).toBe('1')
    const [seen] = backend.requests
    expect(seen?.body.toString()).toBe(body)
    expect(JSON.stringify(seen?.headers)).not.toMatch(/client-key|c=1/)
  })

  it('for a renamed model differs in the name alone', async () => {
    await apply('route', 'public', {
      tiers: [{ targets: [{ backend: 'b1', model: 'm1' }] }],
      aliases: ['other'],
    })
    await chat('{"messages":[{"content":"public"}],"model":"other","n":1}')
    expect(backend.requests.at(-1)?.body.toString()).toBe(
      '{"messages":[{"content":"public"}],"model":"m1","n":1}',
    )
  })

  it('carries the backend credential, opened from its seal', async () => {
    const secret = 'sk-canary-1234'
    backend.requireCredential(secret)
    const credential = {
      sealed: seal(secret, masterKey, 'default/backend/b1'),
      fingerprint: fingerprint(secret, masterKey),
    }
    await apply('backend', 'b1', {
      kind: 'openai-compatible',
      url: backend.url,
      models: ['m1'],
      credential,
    })
    expect((await chat(hello)).status).toBe(200)
  })

  it('is refused with the right status and code', async () => {
    const cases: [number, string, Promise<Response>][] = [
      [404, 'model_not_found', chat({ ...hello, model: 'nope' })],
      [400, 'missing_model', chat({})],
      [400, 'malformed_request', chat('{"model":')],
      [400, 'duplicate_field', chat('{"model":"m1","model":"m2"}')],
      [415, 'unsupported_media_type', chat(hello, { 'content-type': 'text/plain' })],
      [413, 'request_too_large', chat({ ...hello, pad: 'x'.repeat(100_000) })],
      [404, 'unknown_path', fetch(`${base}/nope`)],
      [405, 'wrong_method', fetch(`${base}/v1/chat/completions`)],
      [404, 'model_not_found', fetch(`${base}/v1/models/nope`)],
    ]
    for (const [status, code, asked] of cases) {
      const answer = await asked
      expect([answer.status, await codeOf(answer)]).toEqual([status, code])
    }
    expect(backend.requests).toEqual([])
  })

  it('gets an error of the backend as it came', async () => {
    backend.failWith(429, {
      body: '{"error":{"message":"slow down"}}',
      headers: { 'retry-after': '7' },
    })
    const answer = await chat(hello)
    expect([answer.status, answer.headers.get('retry-after'), await answer.text()]).toEqual([
      429,
      '7',
      '{"error":{"message":"slow down"}}',
    ])
  })
})

describe('framing', () => {
  const post = (head: string, body = '{"model":"m1"}') =>
    `POST /v1/chat/completions HTTP/1.1\r\n${head}\r\n\r\n${body}`
  const json = 'content-type: application/json'
  it.each([
    ['two hosts', post(`host: a\r\nhost: b\r\n${json}\r\ncontent-length: 14`)],
    ['no host', post(`${json}\r\ncontent-length: 14`)],
    ['two content types', post(`host: a\r\n${json}\r\n${json}\r\ncontent-length: 14`)],
    [
      'two authorizations',
      post(`host: a\r\nauthorization: x\r\nauthorization: y\r\n${json}\r\ncontent-length: 14`),
    ],
    ['two lengths', post(`host: a\r\n${json}\r\ncontent-length: 14\r\ncontent-length: 15`)],
    [
      'length and chunked',
      post(`host: a\r\n${json}\r\ncontent-length: 14\r\ntransfer-encoding: chunked`),
    ],
    ['gzip, chunked', post(`host: a\r\n${json}\r\ntransfer-encoding: gzip, chunked`, '0\r\n\r\n')],
    [
      'an absolute target',
      post(`host: a\r\n${json}\r\ncontent-length: 14`).replace('/v1', 'http://evil/v1'),
    ],
    [
      'HTTP/1.0 with chunked',
      post(`host: a\r\n${json}\r\ntransfer-encoding: chunked`, '0\r\n\r\n').replace('1.1', '1.0'),
    ],
    [
      'HTTP/2.0 on a 1.1 wire',
      post(`host: a\r\n${json}\r\ncontent-length: 14`).replace('1.1', '2.0'),
    ],
    ['a space before the colon', post(`host: a\r\n${json}\r\ncontent-length : 14`)],
    ['a bare line feed in a header', post(`host: a\r\nx: y\nz\r\n${json}\r\ncontent-length: 14`)],
    ['a negative length', post(`host: a\r\n${json}\r\ncontent-length: -1`)],
    [
      'a folded header',
      post(
        `host: a\r\nx: y\r\n z: 1\r\n${json}\r\ncontent-length: 14\r\ntransfer-encoding: chunked`,
      ),
    ],
    [
      'headers over the limit',
      post(`host: a\r\nx: ${'y'.repeat(20_000)}\r\n${json}\r\ncontent-length: 14`),
    ],
  ])('with %s is refused, the connection ends, and no backend hears of it', async (_, text) => {
    const got = await raw(text)
    expect(got).toMatch(/^HTTP\/1\.1 4\d\d /)
    expect(got.match(/^HTTP\/1\.1 \d/gm)).toHaveLength(1)
    expect(backend.requests).toEqual([])
  })

  it.each(['close', 'close\t'])(
    'that says connection %j is answered once, whatever is pipelined',
    async (say) => {
      const one = post(`host: a\r\n${json}\r\ncontent-length: 14\r\nconnection: ${say}`)
      const got = await raw(one + one)
      expect(got.match(/HTTP\/1\.1/g)).toHaveLength(1)
      expect(backend.requests.length).toBeLessThanOrEqual(1)
    },
  )
})
