import { type MockBackend, speakGemini, startMockBackend } from '@signalbox/testing'
import { apply, backend, base, chat, hello, useProxy } from './proxy-harness.ts'

useProxy()

let google: MockBackend
beforeEach(async () => {
  google = await startMockBackend({ models: [] })
  const url = `${google.url}/v1beta/openai`
  await apply('backend', 'b2', { kind: 'gemini', url, models: ['gemini-3-pro'] })
})
afterEach(() => google.stop())

const contents = [{ role: 'user', parts: [{ text: 'Hello' }] }]
const generate = (path: string, body: object | string = { contents }) =>
  fetch(`${base}/v1beta/models/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
const events = (text: string) =>
  text.split('\n').flatMap((line) => (line.startsWith('data: ') ? [JSON.parse(line.slice(6))] : []))

describe('bytes between two that speak Gemini', () => {
  it('pass as they are, the model in the path put in its place', async () => {
    speakGemini(google, { text: 'Hi.' })
    await apply('route', 'team/flash:1', {
      tiers: [{ targets: [{ backend: 'b2', model: 'gemini-3-pro' }] }],
    })
    const body = '{ "contents": [],  "brandNew": {"a": 1}, "model": "other" }'
    const answer = await generate('team/flash:1:generateContent?key=canary', body)
    expect(answer.status).toBe(200)
    const [request] = google.requests
    expect(request?.path).toBe('/v1beta/models/gemini-3-pro:generateContent')
    expect(request?.body.toString()).toBe(body)
    expect(await answer.json()).toMatchObject({ responseId: 'resp_1' })
  })

  it('pass as events or as a list, as the client asks', async () => {
    speakGemini(google, { text: 'One two.' })
    const sse = await generate('gemini-3-pro:streamGenerateContent?alt=sse&key=canary')
    expect(sse.headers.get('content-type')).toBe('text/event-stream')
    expect(events(await sse.text())).toHaveLength(3)
    const list = await generate('gemini-3-pro:streamGenerateContent')
    expect(await list.json()).toHaveLength(3)
    expect(google.requests.map(({ path }) => path)).toEqual([
      '/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse',
      '/v1beta/models/gemini-3-pro:streamGenerateContent',
    ])
  })

  it('pass from v1, where the package of Google asks, to v1beta', async () => {
    speakGemini(google, { text: 'Hi.' })
    const answer = await fetch(`${base}/v1/models/gemini-3-pro:generateContent`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ contents }),
    })
    expect(answer.status).toBe(200)
    expect(google.requests[0]?.path).toBe('/v1beta/models/gemini-3-pro:generateContent')
  })

  it('pass for the count of tokens', async () => {
    speakGemini(google, { text: '' })
    const answer = await generate('gemini-3-pro:countTokens')
    expect(await answer.json()).toEqual({ totalTokens: 11 })
  })

  it('end in an event and a broken connection where the stream breaks off', async () => {
    speakGemini(google, { text: 'One two.', cutAfter: 1 })
    const answer = await generate('gemini-3-pro:streamGenerateContent?alt=sse')
    await expect(answer.text()).rejects.toThrow()
  })
})

describe("a client of Gemini's at a backend of OpenAI's", () => {
  it('is answered in its own shape', async () => {
    const answer = await generate('m1:generateContent')
    expect(await answer.json()).toMatchObject({
      candidates: [{ content: { role: 'model' }, finishReason: 'STOP' }],
      usageMetadata: { promptTokenCount: expect.any(Number) },
    })
    expect(backend.requests[0]?.path).toBe('/v1/chat/completions')
  })

  it('gets a stream of its own events', async () => {
    const answer = await generate('m1:streamGenerateContent?alt=sse')
    const all = events(await answer.text())
    expect(all.length).toBeGreaterThan(1)
    expect(all.at(-1)).toMatchObject({
      candidates: [{ finishReason: 'STOP' }],
      usageMetadata: { totalTokenCount: expect.any(Number) },
    })
  })

  it('is refused a list for a stream, which cannot be translated', async () => {
    const answer = await generate('m1:streamGenerateContent')
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({
      error: { status: 'INVALID_ARGUMENT', details: [{ reason: 'untranslatable' }] },
    })
  })

  it.each(['no-such:generateContent', 'no-such:countTokens'])(
    'is told in its own shape that there is no model of %s',
    async (path) => {
      const answer = await generate(path)
      expect(answer.status).toBe(404)
      expect(await answer.json()).toMatchObject({ error: { code: 404, status: 'NOT_FOUND' } })
    },
  )

  it('gets the list of models in its own shape', async () => {
    const list = await fetch(`${base}/v1beta/models`)
    expect(await list.json()).toMatchObject({
      models: [{ name: 'models/gemini-3-pro' }, { name: 'models/m1' }],
    })
    const one = await fetch(`${base}/v1beta/models/m1`)
    expect(await one.json()).toMatchObject({ name: 'models/m1' })
  })

  it('is refused an escape in the path that is none', async () => {
    expect((await generate('%zz:generateContent')).status).toBe(404)
  })
})

describe("other clients at a backend of Gemini's", () => {
  it('of OpenAI pass through the door that Google has for them', async () => {
    await (await chat({ ...hello, model: 'gemini-3-pro' })).text()
    expect(google.requests[0]?.path).toBe('/v1beta/openai/chat/completions')
  })

  it('of Anthropic are translated, calls and signatures included', async () => {
    speakGemini(google, { text: 'Hi.', calls: [{ name: 'f', args: { a: 1 }, signature: 's' }] })
    const answer = await fetch(`${base}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gemini-3-pro', max_tokens: 9, messages: hello.messages }),
    })
    expect(await answer.json()).toMatchObject({
      content: [
        { text: 'Hi.' },
        { type: 'thinking', signature: 'google.call:s' },
        { type: 'tool_use', name: 'f', input: { a: 1 } },
      ],
      stop_reason: 'tool_use',
      usage: { input_tokens: 7, cache_read_input_tokens: 3, output_tokens: 5 },
    })
    expect(google.requests[0]?.path).toBe('/v1beta/models/gemini-3-pro:generateContent')
  })
})
