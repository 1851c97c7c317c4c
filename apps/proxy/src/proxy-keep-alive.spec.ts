// Comments into streams that have not begun, over real sockets.
import { type MockBackend, startMockBackend } from '@signalbox/testing'
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { apply, backend, base, chat, hello, useProxy } from './proxy-harness.ts'

useProxy()

const COMMENT = ': keep-alive\n\n'
const stream = { ...hello, stream: true }
const DONE = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
const events = (text: string) => text.replaceAll(COMMENT, '')
let other: MockBackend
beforeEach(async () => {
  other = await startMockBackend({ models: ['m1'] })
  await apply('policy', 'default', { keepAliveMs: 1, retry: { on: ['connect', 503] } })
})
afterEach(() => other.stop())

/** The backend answers so once the client has had a comment. */
function answerLate(status: number, type: string, body: string): void {
  backend.answerWith(
    (_request, response) =>
      void commented.then(() => response.writeHead(status, { 'content-type': type }).end(body)),
  )
}
let commented: Promise<void>
let onComment: () => void
beforeEach(() => {
  ;({ promise: commented, resolve: onComment } = Promise.withResolvers<void>())
})

/** Reads to the end, or to where the connection breaks. */
async function readAll(answer: Response): Promise<{ text: string; broken: boolean }> {
  let text = ''
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
  try {
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
      text += part.value
      if (text.includes(COMMENT)) onComment()
    }
  } catch {
    return { text, broken: true }
  }
  return { text, broken: false }
}

describe('while a stream is waited for', () => {
  it('its client gets comments, then the events as they come, and none between them', async () => {
    answerLate(200, 'text/event-stream', DONE)
    const answer = await chat(stream)
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      200,
      'text/event-stream; charset=utf-8',
    ])
    expect(answer.headers.get('x-request-id')).toBeTruthy()
    const { text, broken } = await readAll(answer)
    expect([events(text), broken]).toEqual([DONE, false])
    expect(text.startsWith(COMMENT)).toBe(true)
    expect(text.lastIndexOf(COMMENT)).toBeLessThan(text.indexOf('data:'))
    const metrics = await (await fetch(`${base}/metrics`)).text()
    expect(metrics).toMatch(/signalbox_keep_alives_total [1-9]/)
  })

  it('another backend is asked as ever, where the first one refuses', async () => {
    await apply('backend', 'b2', {
      ...{ kind: 'openai-compatible', url: other.url, models: ['m1'] },
    })
    answerLate(503, 'application/json', '{}')
    other.answerWith(
      (_request, response) =>
        void commented.then(() =>
          response.writeHead(200, { 'content-type': 'text/event-stream' }).end(DONE),
        ),
    )
    for (let n = 0; n < 2; n++) {
      const { text, broken } = await readAll(await chat(stream))
      expect([events(text), broken]).toEqual([DONE, false])
    }
    expect([backend.requests.length > 0, other.requests.length]).toEqual([true, 2])
  })

  it('an error of the backend is told in the stream, which then breaks', async () => {
    answerLate(400, 'application/json', '{"error":{"message":"no such tool","code":"bad_tool"}}')
    const { text, broken } = await readAll(await chat(stream))
    expect(broken).toBe(true)
    expect(events(text)).toMatch(/^\s*event: error\ndata: .*no such tool.*bad_tool.*\n\n$/)
    const health = await (await fetch(`${base}/admin/health`)).json()
    const { backends } = health as { backends: { breaker: { failures: number } }[] }
    expect(backends[0]?.breaker.failures).toBe(0)
  })

  it('so is an answer that is no stream, and one that is too long to be told', async () => {
    for (const [status, body] of [
      [200, '{"choices":[]}'],
      [500, 'x'.repeat(100_000)],
    ] as const) {
      ;({ promise: commented, resolve: onComment } = Promise.withResolvers<void>())
      answerLate(status, 'application/json', body)
      const { text, broken } = await readAll(await chat(stream))
      expect(broken).toBe(true)
      expect(events(text)).toMatch(/^\s*event: error\ndata: \{"error":.*\}\n\n$/)
    }
  })

  it('so is a failure of our own', async () => {
    await apply('policy', 'default', { keepAliveMs: 1, timeouts: { firstByteMs: 500 } })
    backend.hang()
    const { text, broken } = await readAll(await chat(stream))
    expect(broken).toBe(true)
    expect(events(text)).toMatch(/^\s*event: error\ndata: .*"upstream_timeout".*\n\n$/)
  })

  it('a client that leaves ends the call, and the comments', async () => {
    backend.hang()
    const left = new AbortController()
    const answer = await chat(stream, {}, left.signal)
    expect(answer.status).toBe(200)
    left.abort()
    await backend.disconnected()
  })
})

describe('nothing of that happens', () => {
  it('to plain answers, and to errors that come before the first comment', async () => {
    await apply('policy', 'default', { keepAliveMs: '10m' })
    backend.failWith(400, { body: '{"error":{"message":"no"}}' })
    expect([(await chat(hello)).status, (await chat(stream)).status]).toEqual([400, 400])
    await apply('policy', 'default', { keepAliveMs: 1, timeouts: { firstByteMs: 300 } })
    backend.heal()
    backend.hang()
    expect((await chat(hello)).status).toBe(504)
  })

  it('where the policy does not say so', async () => {
    await apply('policy', 'default', { timeouts: { firstByteMs: 300 } })
    backend.hang()
    expect((await chat(stream)).status).toBe(504)
  })
})

describe('official packages', () => {
  const messages = [{ role: 'user' as const, content: 'Hello' }]
  const late = (body: string) =>
    backend.answerWith((_request, response) => {
      // Two ticks of the wheel: comments have gone out by then.
      setTimeout(
        () => response.writeHead(200, { 'content-type': 'text/event-stream' }).end(body),
        250,
      )
    })

  it('of OpenAI pass over the comments', async () => {
    late(`data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n${DONE}`)
    const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: 'unused', maxRetries: 0 })
    const stream = await client.chat.completions.create({ model: 'm1', messages, stream: true })
    let text = ''
    for await (const { choices } of stream) text += choices[0]?.delta.content ?? ''
    expect(text).toBe('Hi')
  })

  it('of Anthropic too, over a translation', async () => {
    late(`data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n${DONE}`)
    const client = new Anthropic({ baseURL: base, apiKey: 'unused', maxRetries: 0 })
    const stream = client.messages.stream({ model: 'm1', max_tokens: 9, messages })
    expect(await stream.finalText()).toBe('Hi')
    const metrics = await (await fetch(`${base}/metrics`)).text()
    expect(metrics).toMatch(/signalbox_keep_alives_total [1-9]/)
  })
})
