import { createServer, request, type Server } from 'node:http'
import { type AddressInfo } from 'node:net'
import { eventually } from '@signalbox/testing'
import { apply, backend, base, useProxy } from './proxy-harness.ts'

useProxy()

const PATH = '/v1/audio/transcriptions'
const part = (name: string, value: string) =>
  `--XX\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
const END = '--XX--\r\n'

/** A backend that notes what has come of its request, and answers at the end. */
let slow: Server
let got: string
let lengths: (string | undefined)[]
beforeEach(async () => {
  got = ''
  lengths = []
  slow = createServer((incoming, response) => {
    lengths.push(incoming.headers['content-length'])
    incoming.on('data', (bytes: Buffer) => (got += bytes.toString('latin1')))
    incoming.on('end', () => {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"text":"heard"}')
    })
    incoming.on('error', () => {})
  })
  await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve))
  const { port } = slow.address() as AddressInfo
  await apply('backend', 'ear', { kind: 'vllm', url: `http://127.0.0.1:${port}`, models: ['w1'] })
  const tiers = [{ targets: [{ backend: 'ear', model: 'w1' }] }]
  await apply('route', 'hears', { tiers })
})
afterEach(
  () =>
    new Promise((resolve) => {
      slow.closeAllConnections()
      slow.close(resolve)
    }),
)

interface Answer {
  readonly status: number
  readonly text: string
}

function upload(headers: Record<string, string> = {}) {
  const type = 'multipart/form-data; boundary=XX'
  const out = request(`${base}${PATH}`, {
    method: 'POST',
    headers: { 'content-type': type, ...headers },
  })
  const answer = new Promise<Answer>((resolve, reject) => {
    out.on('error', reject)
    out.on('response', (incoming) => {
      let text = ''
      incoming.on('data', (bytes: Buffer) => (text += bytes.toString()))
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, text }))
      incoming.on('error', reject)
    })
  })
  return { out, answer }
}

const whole = (text: string, headers?: Record<string, string>) => {
  const { out, answer } = upload(headers)
  out.end(text)
  return answer
}

describe('an upload', () => {
  it('reaches the backend while it is still coming', async () => {
    const { out, answer } = upload()
    out.write(`${part('model', 'hears')}${part('file', 'begun and').slice(0, -2)}`)
    await eventually(() => got.includes('beg'))
    out.end(` ended\r\n${END}`)
    expect(await answer).toEqual({ status: 200, text: '{"text":"heard"}' })
    expect(got).toBe(`${part('model', 'w1')}${part('file', 'begun and ended')}${END}`)
  })

  it('is held until the model is named, and keeps its length', async () => {
    const text = `${part('file', 'x'.repeat(300_000))}${part('model', 'hears')}${END}`
    const sent = { 'content-length': String(text.length) }
    expect((await whole(text, sent)).status).toBe(200)
    expect(got).toBe(text.replace('hears', 'w1'))
    expect(lengths).toEqual([String(text.length - 3)])
  })

  it('is not held where a header names the model', async () => {
    const { out, answer } = upload({ 'x-signalbox-model': 'hears' })
    out.write(part('file', 'y'.repeat(1_000)))
    await eventually(() => got.length > 900)
    out.end(`${part('model', 'hears')}${END}`)
    expect((await answer).status).toBe(200)
    expect(got).toContain(part('model', 'w1'))
  })

  it('needs no part that names a model which a header names', async () => {
    expect((await whole(`${part('a', 'b')}${END}`, { 'x-signalbox-model': 'hears' })).status).toBe(
      200,
    )
    expect(got).toBe(`${part('a', 'b')}${END}`)
  })

  it.each([
    ['another model than the header', part('model', 'w1') + END, 'malformed_request'],
    ['a second model', part('model', 'hears') + part('model', 'w1') + END, 'duplicate_field'],
    ['no end', part('model', 'hears'), 'malformed_request'],
  ])('with %s is refused, and blamed on nobody', async (_what, text, code) => {
    const named = { 'x-signalbox-model': 'hears' }
    const { status, text: answer } = await whole(text, named)
    expect([status, answer]).toEqual([400, expect.stringContaining(`"${code}"`)])
    const health = (await (await fetch(`${base}/admin/health`)).json()) as {
      backends: { id: string; breaker: { failures: number } }[]
    }
    expect(health.backends.find(({ id }) => id === 'ear')?.breaker.failures).toBe(0)
  })

  it('over the limit is refused: at once where it says so, else when it is', async () => {
    const { out, answer } = upload({ 'content-length': '1000001' })
    out.flushHeaders()
    expect((await answer).status).toBe(413)
    out.destroy()
    const text = `${part('model', 'hears')}${part('file', 'z'.repeat(1_100_000))}${END}`
    const late = upload()
    for (let at = 0; at < text.length; at += 50_000) late.out.write(text.slice(at, at + 50_000))
    late.out.end()
    const refused = await late.answer.then(
      ({ status }) => status,
      () => 413,
    )
    expect(refused).toBe(413)
    expect(got.length).toBeLessThan(text.length)
  })

  it('goes to the next backend where the first one was not reached', async () => {
    await apply('backend', 'deaf', { kind: 'vllm', url: 'http://127.0.0.1:1', models: [] })
    const tier = (id: string) => ({ targets: [{ backend: id, model: 'w1' }] })
    await apply('route', 'either', { tiers: [tier('deaf'), tier('ear')] })
    expect((await whole(`${part('model', 'either')}${END}`)).status).toBe(200)
    expect(got).toContain(part('model', 'w1'))
  })

  it('is sent once: an answer that would be tried again is the client’s', async () => {
    await apply('policy', 'default', { retry: { on: [503], maxRetries: 2 } })
    backend.failWith(503)
    const { status } = await whole(`${part('model', 'm1')}${END}`)
    expect([status, backend.requests.length]).toEqual([503, 1])
  })

  it('is refused where the path takes none, and without a model', async () => {
    const chat = await fetch(`${base}/v1/chat/completions`, {
      method: 'POST',
      body: new FormData(),
    })
    expect(chat.status).toBe(415)
    const nobody = await whole(`${part('file', 'x')}${END}`)
    expect([nobody.status, nobody.text]).toEqual([400, expect.stringContaining('missing_model')])
  })

  it('ends at the backend when its client leaves', async () => {
    const left = new Promise<void>((resolve) =>
      slow.once('request', (one) => one.on('close', resolve)),
    )
    const { out, answer } = upload()
    out.write(part('model', 'hears') + part('file', 'begun'))
    await eventually(() => got.length > 0)
    out.destroy()
    await expect(answer).rejects.toThrow()
    await left
  })
})

describe('a body that names no model', () => {
  const post = (path: string, body: string, headers: Record<string, string> = {}) =>
    fetch(base + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    })
  const named = { 'x-signalbox-model': 'm1' }

  it('gets the one that a header names', async () => {
    await (await post('/v1/moderations', ' {"input":"a"}', named)).text()
    expect(backend.requests.at(-1)?.body.toString()).toBe(' {"model":"m1","input":"a"}')
    await (await post('/v1/moderations', '{ }', named)).text()
    expect(backend.requests.at(-1)?.body.toString()).toBe('{"model":"m1" }')
  })

  it('does not where it has one of another sort, or one inside', async () => {
    for (const body of ['{"model":null}', '{"Model":"x"}', '{"a":{"model":"x"}}']) {
      expect((await post('/v1/moderations', body, named)).status).toBe(400)
    }
  })

  it('is not overruled by a header', async () => {
    await apply('backend', 'b1', { kind: 'vllm', url: backend.url, models: ['m1', 'm2'] })
    await (await post('/v1/moderations', '{"model":"m2"}', named)).text()
    expect(backend.requests.at(-1)?.body.toString()).toBe('{"model":"m2"}')
  })
})

describe('a stream that has no [DONE]', () => {
  const events = (...types: string[]) =>
    types.map((type) => `event: ${type}\ndata: {"type":"${type}"}\n\n`).join('')
  const respond = (text: string) => {
    backend.answerWith((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end(text)
    })
    const body = JSON.stringify({ model: 'm1', input: 'a', stream: true })
    const headers = { 'content-type': 'application/json' }
    return fetch(`${base}/v1/responses`, { method: 'POST', headers, body })
  }

  it.each(['response.completed', 'response.incomplete', 'response.failed'])(
    'is whole with %s',
    async (last) => {
      const text = events('response.created', last)
      expect(await (await respond(text)).text()).toBe(text)
    },
  )

  it.each([
    ['without one', events('response.created')],
    ['with half of one', events('response.created', 'response.completed').slice(0, -1)],
    ['with one as text', 'data: {"delta":"event: response.completed"}\n\n'],
  ])('%s has broken off', async (_what, text) => {
    await expect((await respond(text)).text()).rejects.toThrow()
  })
})
