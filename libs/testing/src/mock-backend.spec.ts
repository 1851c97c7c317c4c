import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import OpenAI from 'openai'
import { eventually } from './eventually.ts'
import { manualClock } from './manual-clock.ts'
import { type MockBackend, type MockBackendOptions, startMockBackend } from './mock-backend.ts'

const running: MockBackend[] = []

async function start(options?: MockBackendOptions): Promise<MockBackend> {
  const backend = await startMockBackend(options)
  running.push(backend)
  return backend
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((backend) => backend.stop()))
})

const HELLO = { model: 'demo-small', messages: [{ role: 'user', content: 'hello there' }] } as const
const CHAT = '/v1/chat/completions'

function post(
  backend: MockBackend,
  body: unknown,
  { path = CHAT, ...more }: RequestInit & { path?: string } = {},
) {
  return fetch(backend.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...more,
  })
}

function client(backend: MockBackend, apiKey = 'none') {
  return new OpenAI({ baseURL: `${backend.url}/v1`, apiKey, maxRetries: 0 })
}

/** Everything that comes on a raw connection until it ends, and how it ended. */
async function rawPost(backend: MockBackend, body: object) {
  const socket = connect(backend.port, '127.0.0.1')
  const bytes = JSON.stringify(body)
  socket.write(
    `POST ${CHAT} HTTP/1.1\r\nhost: h\r\ncontent-length: ${bytes.length}\r\n\r\n${bytes}`,
  )
  let received = ''
  let error = ''
  socket.on('data', (chunk: Buffer) => (received += chunk.toString()))
  socket.on('error', (problem: NodeJS.ErrnoException) => (error = problem.code ?? ''))
  await once(socket, 'close').catch(() => undefined)
  return { received, error }
}

describe('the simulated backend', () => {
  it('answers the official client, and says that it is simulated', async () => {
    const backend = await start()
    const answer = await client(backend).chat.completions.create({
      ...HELLO,
      messages: [...HELLO.messages],
    })
    expect(answer.choices[0]?.message.content).toMatch(
      /simulated backend.*demo-small.*hello there$/,
    )
    expect(answer.choices[0]?.finish_reason).toBe('stop')
    expect(answer.usage?.prompt_tokens).toBe(2)
    const raw = await post(backend, HELLO)
    expect(raw.headers.get('x-simulated')).toBe('true')
    await raw.text()
  })

  it('streams the same text to the official client, with usage where it is asked for', async () => {
    const backend = await start()
    const stream = await client(backend).chat.completions.create({
      model: 'demo-large',
      messages: [{ role: 'user', content: [{ type: 'text', text: 'part' }] }],
      stream: true,
      stream_options: { include_usage: true },
    })
    let content = ''
    const finishes: unknown[] = []
    let tokens = 0
    for await (const chunk of stream) {
      content += chunk.choices[0]?.delta.content ?? ''
      if (chunk.choices[0]?.finish_reason) finishes.push(chunk.choices[0].finish_reason)
      tokens += chunk.usage?.completion_tokens ?? 0
    }
    expect(content).toMatch(/answering as demo-large\. You said: part$/)
    expect(finishes).toEqual(['stop'])
    expect(tokens).toBe(content.split(' ').length)
  })

  it('ends a stream with [DONE] and names no usage unasked', async () => {
    const answer = await post(await start(), { ...HELLO, stream: true })
    expect(answer.headers.get('content-type')).toMatch(/^text\/event-stream/)
    const events = await answer.text()
    expect(events.endsWith('data: [DONE]\n\n')).toBe(true)
    expect(events).not.toContain('usage')
  })

  it('answers completions and embeddings', async () => {
    const openai = client(await start())
    const completion = await openai.completions.create({ model: 'demo-small', prompt: 'once' })
    expect(completion.choices[0]?.text).toMatch(/You said: once$/)
    const one = await openai.embeddings.create({ model: 'demo-small', input: ['a b', 'c'] })
    expect(one.data.map(({ embedding }) => embedding.length)).toEqual([8, 8])
    const plain = await openai.embeddings.create({
      model: 'demo-small',
      input: 'a b',
      encoding_format: 'float',
    })
    expect(plain.data[0]?.embedding).toEqual(one.data[0]?.embedding)
    expect(plain.usage.prompt_tokens).toBe(2)
  })

  it('lists its models, which a test may change', async () => {
    const backend = await start({ models: ['a'] })
    const openai = client(backend)
    const ids = async () => (await openai.models.list()).data.map(({ id }) => id)
    expect(await ids()).toEqual(['a'])
    backend.setModels(['a', 'team/b'])
    expect(await ids()).toEqual(['a', 'team/b'])
    expect((await openai.models.retrieve('team/b')).id).toBe('team/b')
    await expect(openai.models.retrieve('c')).rejects.toMatchObject({ status: 404 })
  })

  it('refuses what a backend refuses', async () => {
    const backend = await start()
    expect((await post(backend, { ...HELLO, model: 'other' })).status).toBe(404)
    expect((await post(backend, {})).status).toBe(400)
    expect((await fetch(backend.url + CHAT, { method: 'POST', body: '{' })).status).toBe(400)
    expect((await post(backend, HELLO, { path: '/v1/other' })).status).toBe(404)
    expect((await fetch(`${backend.url}/other`)).status).toBe(404)
    expect((await fetch(`${backend.url}/v1/models/%zz`)).status).toBe(404)
  })

  it('asks for the credential, but not for its health', async () => {
    const backend = await start({ credential: 's3cret' })
    await expect(client(backend, 'wrong').models.list()).rejects.toMatchObject({ status: 401 })
    expect((await client(backend, 's3cret').models.list()).data).toHaveLength(2)
    expect((await fetch(`${backend.url}/health`)).status).toBe(200)
    backend.requireCredential(undefined)
    expect((await post(backend, HELLO)).status).toBe(200)
  })

  it('keeps what was sent to it, byte for byte', async () => {
    const backend = await start()
    const body = '{ "model" : "demo-small", "messages":[],  "x":1.0e0 }'
    const read = backend.requested()
    await post(backend, undefined, { body, headers: { 'X-Some': 'Thing' }, path: `${CHAT}?a=b` })
    await read
    const [request] = backend.requests
    expect(request?.body.toString()).toBe(body)
    expect([request?.method, request?.path]).toEqual(['POST', `${CHAT}?a=b`])
    expect(request?.headers['x-some']).toBe('Thing')
    await backend.requested(1, `${CHAT}?a=b`)
  })

  it('keeps nothing where it was told so', async () => {
    const backend = await start({ record: false })
    await (await post(backend, HELLO)).text()
    expect(backend.requests).toEqual([])
  })

  it('refuses to start on a port that is taken, naming it', async () => {
    const { port } = await start()
    await expect(startMockBackend({ port })).rejects.toThrow(`127.0.0.1:${port} is in use`)
  })
})

describe('a simulated backend that fails', () => {
  it('does so with any status, so often as it was told, then answers again', async () => {
    const backend = await start()
    backend.failWith(429, { times: 2, headers: { 'retry-after': '7' }, body: '{"error":"slow"}' })
    const first = await post(backend, HELLO)
    expect([first.status, first.headers.get('retry-after')]).toEqual([429, '7'])
    expect(await first.text()).toBe('{"error":"slow"}')
    expect((await post(backend, HELLO)).status).toBe(429)
    expect((await post(backend, HELLO)).status).toBe(200)
  })

  it('does so on one path only, and heals', async () => {
    const backend = await start()
    backend.warmUp({ only: '/health' })
    backend.failWith(500, { only: CHAT })
    expect((await fetch(`${backend.url}/health`)).status).toBe(503)
    expect((await post(backend, HELLO)).status).toBe(500)
    expect((await fetch(`${backend.url}/v1/models`)).status).toBe(200)
    backend.heal()
    expect((await fetch(`${backend.url}/health`)).status).toBe(200)
    expect((await post(backend, HELLO)).status).toBe(200)
  })

  it('hangs before its headers, and sees the client leave', async () => {
    const backend = await start()
    backend.hang({ times: 1 })
    const patience = new AbortController()
    const answer = post(backend, HELLO, { signal: patience.signal })
    await backend.requested()
    expect(backend.disconnects).toBe(0)
    patience.abort()
    await expect(answer).rejects.toThrow(/abort/)
    await backend.disconnected()
    expect(backend.disconnects).toBe(1)
    expect((await post(backend, HELLO)).status).toBe(200)
  })

  it('resets the connection before any byte', async () => {
    const backend = await start()
    backend.reset()
    expect(await rawPost(backend, HELLO)).toEqual({ received: '', error: 'ECONNRESET' })
    expect(backend.disconnects).toBe(0)
  })

  it('cuts a stream after so many events, without the end of the body', async () => {
    const backend = await start()
    backend.cutAfter(2)
    const { received, error } = await rawPost(backend, { ...HELLO, stream: true })
    expect(received.match(/^data: /gm)).toHaveLength(2)
    expect(received).not.toContain('\r\n0\r\n')
    expect(error).toBe('')
    expect(backend.eventsSent).toBe(2)
    expect(backend.disconnects).toBe(0)
  })

  it('cuts a stream by a reset', async () => {
    const backend = await start()
    backend.cutAfter(1, { how: 'reset' })
    const { received, error } = await rawPost(backend, { ...HELLO, stream: true })
    expect(received.match(/^data: /gm)).toHaveLength(1)
    expect(error).toBe('ECONNRESET')
  })

  it('ends a cut body as if it were whole', async () => {
    const backend = await start()
    backend.cutAfter(1, { how: 'clean' })
    const stream = await (await post(backend, { ...HELLO, stream: true })).text()
    expect(stream.match(/^data: /gm)).toHaveLength(1)
    expect(stream).not.toContain('[DONE]')
    const half = await (await post(backend, HELLO)).text()
    expect(half).toMatch(/^\{"id"/)
    expect(() => JSON.parse(half)).toThrow(SyntaxError)
  })

  it('breaks a body off that said how long it is', async () => {
    const backend = await start()
    backend.cutAfter(0)
    const answer = await post(backend, HELLO)
    await expect(answer.text()).rejects.toThrow()
  })

  it('answers what a test writes', async () => {
    const backend = await start()
    backend.answerWith((_, response) => response.end('<html>'))
    expect(await (await post(backend, HELLO)).text()).toBe('<html>')
  })

  it('refuses connections, breaks those it has, and comes back on its port', async () => {
    const backend = await start()
    backend.holdEvents()
    const open = await post(backend, { ...HELLO, stream: true })
    await backend.refuse()
    await expect(open.text()).rejects.toThrow()
    await expect(fetch(`${backend.url}/health`)).rejects.toMatchObject({
      cause: { code: 'ECONNREFUSED' },
    })
    expect([backend.connections.open, backend.disconnects]).toEqual([0, 0])
    await backend.accept()
    backend.release()
    expect((await post(backend, HELLO)).status).toBe(200)
  })
})

describe('a simulated stream', () => {
  it('goes out event by event as a test lets it', async () => {
    const backend = await start()
    backend.holdEvents()
    const answer = await post(backend, { ...HELLO, stream: true })
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
    expect(backend.eventsSent).toBe(0)
    backend.release(1)
    expect((await reader?.read())?.value).toMatch(/^data: [^\n]*\n\n$/)
    expect(backend.eventsSent).toBe(1)
    backend.release(2)
    await eventually(() => backend.eventsSent === 3)
    backend.release()
    await eventually(async () => (await reader?.read())?.done)
  })

  it('holds whole answers too', async () => {
    const backend = await start()
    backend.holdEvents()
    const answer = post(backend, HELLO)
    await backend.requested()
    expect(backend.eventsSent).toBe(0)
    backend.release(1)
    expect((await answer).status).toBe(200)
  })

  it('keeps its intervals on the clock it was given', async () => {
    const clock = manualClock()
    const backend = await start({ clock, eventIntervalMs: 50 })
    backend.setPieces({ count: 2, text: 'x' })
    const answer = await post(backend, { ...HELLO, stream: true })
    // Two pieces, a finish reason and the end marker: three intervals between them.
    for (let sent = 1; sent <= 3; sent += 1) {
      await eventually(() => backend.eventsSent === sent && clock.pending() === 1)
      clock.advance(49)
      expect(backend.eventsSent).toBe(sent)
      clock.advance(1)
    }
    expect((await answer.text()).match(/^data: /gm)).toHaveLength(4)
    expect(clock.pending()).toBe(0)
  })

  it('stops when the client leaves, and leaves no timer behind', async () => {
    const clock = manualClock()
    const backend = await start({ clock, eventIntervalMs: 50 })
    const patience = new AbortController()
    await post(backend, { ...HELLO, stream: true }, { signal: patience.signal })
    await eventually(() => clock.pending() === 1)
    patience.abort()
    await backend.disconnected()
    expect(clock.pending()).toBe(0)
    expect(backend.eventsSent).toBe(1)
  })

  it('waits for a reader that is slow', async () => {
    const backend = await start()
    backend.setPieces({ count: 1_000, text: 'x'.repeat(65_536) })
    const socket = connect(backend.port, '127.0.0.1').pause()
    const body = JSON.stringify({ ...HELLO, stream: true })
    const headers = ['host: h', 'connection: close', `content-length: ${body.length}`]
    socket.write([`POST ${CHAT} HTTP/1.1`, ...headers, '', body].join('\r\n'))
    await backend.requested()
    // Nobody reads: what goes out is what the two kernels' buffers hold, and no more.
    let last = -1
    const stalledAt = await eventually(
      () => {
        const sent = backend.eventsSent
        const stalled = sent > 0 && sent === last
        last = sent
        return stalled && sent
      },
      { periodMs: 100 },
    )
    expect(stalledAt).toBeLessThan(900)
    expect(await text(socket.resume())).toContain('[DONE]')
    expect(backend.eventsSent).toBe(1_002)
  })
})
