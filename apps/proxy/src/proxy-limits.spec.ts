// The proxy over real sockets: what is refused, how the connection goes on, and what is not told.
import { createLog, fingerprint, seal } from '@signalbox/host'
import {
  apply,
  backend,
  base,
  bus,
  chat,
  codeOf,
  hello,
  masterKey,
  proxy,
  raw,
  start,
  useProxy,
} from './proxy-harness.ts'

useProxy()

const json = 'host: a\r\ncontent-type: application/json'
const path = 'POST /v1/chat/completions HTTP/1.1'
const body = JSON.stringify(hello)
const good = `${path}\r\n${json}\r\ncontent-length: ${body.length}\r\n\r\n${body}`
const last = good.replace(json, `${json}\r\nconnection: close`)
const statuses = (got: string) => got.match(/HTTP\/1\.1 \d{3}/g)?.map((line) => line.slice(9))

describe('a body over the limit', () => {
  it('is refused by its declared length, before it is sent', async () => {
    const got = await raw(`${path}\r\n${json}\r\ncontent-length: 100001\r\n\r\n`)
    expect(got).toMatch(/^HTTP\/1\.1 413 [^]*"code":"request_too_large"/)
    expect(got.toLowerCase()).toMatch('connection: close')
  })

  it('is refused without an invitation to send it', async () => {
    const expectation = 'expect: 100-continue'
    const got = await raw(`${path}\r\n${json}\r\n${expectation}\r\ncontent-length: 100001\r\n\r\n`)
    expect(statuses(got)).toEqual(['413'])
  })

  it('is refused as it turns out where no length was declared', async () => {
    const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`.repeat(8)
    const chunked = `${path}\r\n${json}\r\ntransfer-encoding: chunked\r\n\r\n${chunk}0\r\n\r\n`
    expect(statuses(await raw(chunked + good))).toEqual(['413'])
    expect(backend.requests).toEqual([])
  })

  it('far over it reaches no backend, and its sender gets the answer all the same', async () => {
    const answer = await chat({ ...hello, pad: 'x'.repeat(900_000) })
    expect([answer.status, await codeOf(answer)]).toEqual([413, 'request_too_large'])
    expect(backend.requests).toEqual([])
  })
})

describe('a connection', () => {
  it('goes on after answers and after refusals that leave nothing unread', async () => {
    const unknown = good.replaceAll('m1', 'm9')
    const models = 'GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n'
    const missing = models.replace('models', 'nothing')
    const got = await raw(models + missing + unknown + good + last)
    expect(statuses(got)).toEqual(['200', '404', '404', '200', '200'])
  })

  it.each([
    ['an unknown path with a body', good.replace('/v1/chat', '/v2/chat'), '404'],
    ['a list with a body', good.replace(path, 'GET /v1/models HTTP/1.1'), '200'],
    ['an unknown version of HTTP', good.replace('1.1', '1.3'), '400'],
    [
      'a chunk whose size is no number',
      `${path}\r\n${json}\r\ntransfer-encoding: chunked\r\n\r\nx\r\n`,
      '400',
    ],
    [
      'a chunk with a negative size',
      `${path}\r\n${json}\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n`,
      '400',
    ],
    ['a length with a sign', good.replace('content-length: ', 'content-length: +'), '400'],
    ['two lengths in one', good.replace('content-length: ', 'content-length: 5, '), '400'],
    ['a NUL in a header', good.replace('host: a', 'host: a\u0000b'), '400'],
    ['a target with a space', good.replace('/v1/chat', '/v1 /chat'), '400'],
    ['an authority as its target', good.replace(path, 'CONNECT a:80 HTTP/1.1'), undefined],
    ['the target *', good.replace(path, 'OPTIONS * HTTP/1.1'), '400'],
    ['two hosts at /healthz', 'GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n', '400'],
    [
      'another coding than chunked at /readyz',
      'GET /readyz HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
      '400',
    ],
    [
      'a wish to close with a tab, as a list',
      `GET /v1/models HTTP/1.1\r\nhost: a\r\nconnection: close\t\r\n\r\n`,
      '200',
    ],
  ])(
    'with %s is answered once at most, and what follows is not served',
    async (_, text, status) => {
      const got = await raw(text + last)
      expect(statuses(got)).toEqual(status === undefined ? undefined : [status])
      expect(backend.requests).toEqual([])
    },
  )

  it('answers one request after the other, and only so many in advance', async () => {
    backend.holdEvents()
    const two = raw(good + last)
    await backend.requested(1)
    const flood = await raw(good.repeat(40))
    expect(flood).toBe('')
    expect(backend.requests.length).toBeLessThanOrEqual(2) // the first of each
    backend.release()
    expect(statuses(await two)).toEqual(['200', '200'])
  })

  it('on which no HTTP follows a request ends with the whole answer to that request', async () => {
    backend.holdEvents()
    const text = JSON.stringify({ ...hello, stream: true })
    const got = raw(`${path}\r\n${json}\r\ncontent-length: ${text.length}\r\n\r\n${text}\0\0`)
    await backend.requested(1)
    backend.release()
    expect(statuses(await got)).toEqual(['200'])
    expect(await got).toMatch(/\[DONE\]\n\n\r\n0\r\n\r\n$/)
  })

  it('is not upgraded: the request is served as if nobody had asked', async () => {
    const asked = 'connection: upgrade, close\r\nupgrade: websocket'
    expect(statuses(await raw(good.replace(json, `${json}\r\n${asked}`)))).toEqual(['200'])
    expect(backend.requests[0]?.headers.upgrade).toBeUndefined()
  })

  it('invites a body that is awaited', async () => {
    const text = last.replace(json, `${json}\r\nexpect: 100-continue`)
    expect(statuses(await raw(text))).toEqual(['100', '200'])
  })
})

describe('a compressed request', () => {
  it('is refused: what cannot be looked at is not passed on', async () => {
    const answer = await chat(hello, { 'content-encoding': 'gzip' })
    expect([answer.status, await codeOf(answer)]).toEqual([415, 'unsupported_media_type'])
    expect(backend.requests).toEqual([])
  })
})

describe('a secret', () => {
  const secret = 'sk-canary-5678'
  const sealedFor = (id: string) => ({
    kind: 'openai-compatible',
    url: backend.url,
    models: ['m1'],
    credential: {
      sealed: seal(secret, masterKey, `default/backend/${id}`),
      fingerprint: fingerprint(secret, masterKey),
    },
  })

  it('stands in no line of the log, nor does a prompt, whatever happens', async () => {
    await proxy.stop()
    const lines: string[] = []
    const levels = { standard: 'debug', byRoom: new Map() } as const
    const log = createLog('proxy', levels, { write: (line) => void lines.push(line) })
    await start({}, { log })
    await apply('backend', 'b1', sealedFor('b1'))
    const mine = { authorization: 'Bearer client-canary', 'x-request-id': 'seen' }
    const prompt = [{ role: 'user', content: 'prompt-canary' }]
    await chat({ ...hello, messages: prompt }, mine)
    await chat({ ...hello, messages: prompt, model: 'none' }, mine)
    backend.reset()
    await chat({ ...hello, messages: prompt }, mine)
    await backend.refuse()
    await chat({ ...hello, messages: prompt }, mine)
    await fetch(`${base}/v1/models?key=client-canary`)
    await proxy.stop()
    const requests = lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'request')
    expect(requests.map(({ status, code }) => [status, code])).toEqual([
      [200, null],
      [404, 'model_not_found'],
      [502, 'upstream_failed'],
      [502, 'upstream_connect_failed'],
    ])
    expect(requests[0]).toMatchObject({
      requestId: 'seen',
      model: 'm1',
      backend: 'b1',
      fallback: null,
      attempts: 1,
      outcomes: ['b1 answered'],
    })
    expect(lines.join('')).not.toMatch(/canary/)
  })

  it('that does not open keeps the last good version of its backend, and is reported', async () => {
    await apply('backend', 'b1', sealedFor('another'))
    expect((await chat(hello)).status).toBe(200)
    expect(backend.requests[0]?.headers.authorization).toBeUndefined()
    expect(proxy.configuration.following.state().nacks).toMatchObject([
      { resource: 'backend', id: 'b1', code: 'does_not_compile' },
    ])
  })

  it('that never opened keeps its backend out of service until it does', async () => {
    await apply('backend', 'b1', null)
    await apply('backend', 'b2', sealedFor('another'))
    const answer = await chat(hello)
    expect([answer.status, await codeOf(answer)]).toEqual([503, 'no_backend'])
    expect(backend.requests).toEqual([])
    await apply('backend', 'b2', sealedFor('b2'))
    expect((await chat(hello)).status).toBe(200)
    expect(backend.requests[0]?.headers.authorization).toBe(`Bearer ${secret}`)
    expect(proxy.configuration.following.state().nacks).toEqual([])
  })
})

describe('a proxy whose bus is gone', () => {
  it('is ready and serves, and follows again when the bus is back', async () => {
    bus.setConnected(false)
    expect((await fetch(`${base}/readyz`)).status).toBe(200)
    expect((await chat(hello)).status).toBe(200)
    bus.setConnected(true)
    await apply('route', 'later', { tiers: [{ targets: [{ backend: 'b1', model: 'm1' }] }] })
    expect((await chat({ ...hello, model: 'later' })).status).toBe(200)
  })
})
