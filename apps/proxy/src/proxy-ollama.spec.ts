import { type MockBackend, speakOllama, startMockBackend } from '@signalbox/testing'
import { apply, backend, base, chat, hello, useProxy } from './proxy-harness.ts'
import { recordNamed, storing } from './usage-harness.ts'

useProxy()

let own: MockBackend
beforeEach(async () => {
  own = await startMockBackend({ models: [] })
  const at = { url: `${own.url}/v1` }
  await apply('backend', 'b2', { ...at, kind: 'ollama', models: ['llama'] })
  await apply('backend', 'b3', { ...at, kind: 'ollama-native', models: ['qwen'] })
})
afterEach(() => own.stop())

const post = (path: string, body: object | string, id = 'r') =>
  fetch(`${base}/api/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-request-id': id },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
const messages = [{ role: 'user', content: 'Hello' }]
const linesOf = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

/** What came before the connection broke, where it did. */
async function readAll(answer: Response): Promise<{ text: string; broke: boolean }> {
  const decoder = new TextDecoder()
  let text = ''
  try {
    for await (const part of answer.body ?? []) text += decoder.decode(part, { stream: true })
  } catch {
    return { text, broke: true }
  }
  return { text, broke: false }
}

describe('bytes between two that speak Ollama', () => {
  it.each(['llama', 'qwen'])('pass as they are, to %s', async (model) => {
    speakOllama(own, { text: 'One two.' })
    const body = `{ "model": "${model}", "messages": [], "options": {"min_p": 0.1}, "new": 1 }`
    const answer = await post('chat', body)
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson')
    const lines = linesOf(await answer.text())
    expect(lines).toHaveLength(3)
    expect(lines.at(-1)).toMatchObject({ done: true, total_duration: 5_000_000 })
    expect(own.requests.map(({ path }) => path)).toEqual(['/api/chat'])
    expect(own.requests[0]?.body.toString()).toBe(body)
  })

  it('pass for what is no chat', async () => {
    speakOllama(own, { text: 'Hi.' })
    const generated = await post('generate', { model: 'llama', prompt: 'p', stream: false })
    expect(await generated.json()).toMatchObject({ response: 'Hi.' })
    const embedded = await post('embed', { model: 'llama', input: ['a'] })
    expect(await embedded.json()).toMatchObject({ embeddings: [[0.5, 0.25]] })
    const shown = await post('show', { model: 'llama' })
    expect(await shown.json()).toMatchObject({ capabilities: ['completion', 'tools'] })
  })

  it('end in a line and a broken connection where the stream breaks off', async () => {
    speakOllama(own, { text: 'One two.', cutAfter: 1 })
    const { text, broke } = await readAll(await post('chat', { model: 'llama', messages }))
    expect(broke).toBe(true)
    expect(linesOf(text)).toMatchObject([{ done: false }, { code: 'stream_cut' }])
  })

  it('end in a line of its own behind half a line', async () => {
    own.answerWith((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' })
      response.write('{"message":{"content":"On')
      response.socket?.destroySoon()
    })
    const { text } = await readAll(await post('chat', { model: 'llama', messages }))
    const [half, line = '', rest] = text.split('\n')
    expect([half, rest]).toEqual(['{"message":{"content":"On', ''])
    expect(JSON.parse(line)).toMatchObject({ code: 'stream_cut' })
  })

  it('are counted, streamed and whole', async () => {
    const all = storing()
    speakOllama(own, { text: 'Hi.' })
    await (await post('chat', { model: 'llama', messages }, 'streamed')).text()
    await (await post('chat', { model: 'llama', messages, stream: false }, 'whole')).text()
    await (await post('embed', { model: 'llama', input: 'a' }, 'embedded')).text()
    const tokensOf = async (id: string) => (await recordNamed(all, id)).tokens
    const counted = { prompt: 10, completion: 5, cached: null, reasoning: null }
    expect(await tokensOf('streamed')).toEqual(counted)
    expect(await tokensOf('whole')).toEqual(counted)
    expect(await tokensOf('embedded')).toMatchObject({ prompt: 4, completion: null })
  })
})

describe("a client of Ollama's at a backend of OpenAI's", () => {
  it('is answered in its own shape', async () => {
    const answer = await post('chat', { model: 'm1', messages, stream: false })
    expect(await answer.json()).toMatchObject({
      model: 'm1',
      message: { role: 'assistant' },
      ...{ done: true, done_reason: 'stop', eval_count: expect.any(Number) },
    })
    expect(backend.requests[0]?.path).toBe('/v1/chat/completions')
  })

  it('gets a stream of its own lines unless it wants none', async () => {
    const answer = await post('generate', { model: 'm1', prompt: 'Hello' })
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson')
    const lines = linesOf(await answer.text())
    expect(lines.map(({ response }) => response).join('')).toContain('You said: Hello')
    expect(lines.at(-1)).toMatchObject({ done: true, prompt_eval_count: 1 })
  })

  it('gets errors in its own shape, of ours and of backends', async () => {
    const none = await post('chat', { model: 'no-such', messages })
    expect([none.status, await none.json()]).toMatchObject([404, { error: expect.any(String) }])
    const refused = await post('embed', { model: 'm1', input: 'a' })
    expect([refused.status, await refused.json()]).toMatchObject([400, { code: 'untranslatable' }])
    backend.failWith(400)
    const failed = await post('chat', { model: 'm1', messages })
    expect([failed.status, await failed.json()]).toMatchObject([400, { error: /fails with 400/ }])
    const unknown = await post('pull', { model: 'm1' })
    expect([unknown.status, await unknown.json()]).toMatchObject([404, { code: 'unknown_path' }])
  })

  it.each(['tags', 'ps'])('gets the list of models in its own shape: %s', async (path) => {
    const list = await fetch(`${base}/api/${path}`)
    const models = ['llama', 'm1', 'qwen'].map((name) => ({ name, model: name }))
    expect(await list.json()).toMatchObject({ models })
  })

  it('is told a version, and that its lists have no entries', async () => {
    const version = await fetch(`${base}/api/version`)
    expect(await version.json()).toEqual({ version: expect.stringMatching(/^\d+\.\d+\.\d+$/) })
    expect((await fetch(`${base}/api/tags/m1`)).status).toBe(404)
  })
})

describe("other clients at a backend of Ollama's", () => {
  it('of OpenAI pass to its v1, or are translated where its own API is preferred', async () => {
    await (await chat({ ...hello, model: 'llama' })).text()
    speakOllama(own, { text: 'Hi.', thinking: 'hm', calls: [{ name: 'f', args: { a: 1 } }] })
    const answer = await chat({ ...hello, model: 'qwen', max_tokens: 9 })
    expect(await answer.json()).toMatchObject({
      choices: [
        {
          message: {
            ...{ content: 'Hi.', reasoning_content: 'hm' },
            tool_calls: [{ function: { name: 'f', arguments: '{"a":1}' } }],
          },
          finish_reason: 'tool_calls',
        },
      ],
      usage: { prompt_tokens: 10, completion_tokens: 5 },
    })
    expect(own.requests.map(({ path }) => path)).toEqual(['/v1/chat/completions', '/api/chat'])
    expect(JSON.parse(own.requests[1]?.body.toString() ?? '')).toMatchObject({
      ...{ model: 'qwen', stream: false, options: { num_predict: 9 } },
    })
  })

  it('pass with what is no chat to its v1, whatever is preferred', async () => {
    speakOllama(own, { text: '' })
    await fetch(`${base}/v1/embeddings`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'qwen', input: 'a' }),
    })
    expect(own.requests[0]?.path).toBe('/v1/embeddings')
  })

  it('of Anthropic hear of an error inside of the stream once', async () => {
    speakOllama(own, { text: 'One two.', failAfter: 1 })
    const answer = await fetch(`${base}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'qwen', max_tokens: 9, messages, stream: true }),
    })
    const { text, broke } = await readAll(answer)
    expect(broke).toBe(true)
    expect(text.match(/event: error/g)).toHaveLength(1)
    expect(text).toContain('the model ran out of memory')
  })
})
