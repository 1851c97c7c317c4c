import { speakOllama } from '@signalbox/testing'
import { type ChatRequest } from 'ollama'
import {
  backendOf,
  CALLS,
  failAll,
  llama,
  MODELS,
  ollamaClient,
  say,
  stallAll,
  TEXT,
  useBackends,
} from './sdk-harness.ts'

useBackends()

const messages = [{ role: 'user', content: 'Hello' }]
const tools = CALLS.map(({ name }) => ({
  type: 'function',
  function: { name, description: name, parameters: { type: 'object', properties: {} } },
}))
const called = CALLS.map(({ name, input }) => ({ function: { name, arguments: input } }))

describe.each(MODELS)("Ollama's package and the model %s", (model) => {
  const asked = { model, messages, options: { num_predict: 100 } }
  const streamed = (more: Partial<ChatRequest> = {}) =>
    ollamaClient().chat({ ...asked, ...more, stream: true })

  it('reads an answer', async () => {
    say({ calls: false })
    const answer = await ollamaClient().chat(asked)
    expect(answer).toMatchObject({ message: { content: TEXT }, done: true, done_reason: 'stop' })
    expect([answer.prompt_eval_count, answer.eval_count]).toEqual([10, 5])
    expect(Date.parse(`${answer.created_at as unknown as string}`)).not.toBeNaN()
  })

  it('reads a generation, whole and streamed', async () => {
    say({ calls: false })
    const generation = { model, prompt: 'Hello', system: 'Be brief.' }
    const isOllama = model === 'qwen'
    if (isOllama) speakOllama(llama, { text: TEXT })
    expect((await ollamaClient().generate(generation)).response).toBe(TEXT)
    let text = ''
    for await (const part of await ollamaClient().generate({ ...generation, stream: true })) {
      text += part.response
    }
    expect(text).toBe(TEXT)
  })

  it('reads parallel calls', async () => {
    say({ calls: true })
    const { message } = await ollamaClient().chat({ ...asked, tools })
    expect(message.tool_calls).toMatchObject(called)
  })

  it('gathers a stream with parallel calls and usage', async () => {
    say({ calls: true })
    const seen = { text: '', calls: [] as unknown[], tokens: 0 }
    for await (const part of await streamed({ tools })) {
      seen.text += part.message.content
      seen.calls.push(...(part.message.tool_calls ?? []))
      seen.tokens += part.eval_count ?? 0
    }
    expect(seen).toMatchObject({ text: TEXT, calls: called, tokens: 5 })
  })

  it('takes the results of calls back', async () => {
    say({ calls: false })
    const { message } = { message: { role: 'assistant', content: '', tool_calls: called } }
    const results = CALLS.map(({ name }) => ({ role: 'tool', content: '42', tool_name: name }))
    const answer = await ollamaClient().chat({
      ...asked,
      tools,
      messages: [...messages, message, ...results],
    })
    expect(answer.message.content).toBe(TEXT)
  })

  it('throws where a stream breaks off', async () => {
    say({ calls: false, cut: true })
    const read = async () => {
      for await (const _part of await streamed());
    }
    await expect(read()).rejects.toThrow()
  })

  it.each([400, 401, 404, 429, 500])('throws its error class for %d', async (status) => {
    failAll(status)
    const error = await ollamaClient()
      .chat(asked)
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      ...{ name: 'ResponseError', status_code: status, error: 'The backend says no.' },
    })
  })

  it('stops the backend when it aborts', async () => {
    stallAll()
    const stream = await streamed()
    const read = async () => {
      for await (const _part of stream) stream.abort()
    }
    await expect(read()).rejects.toThrow('abort')
    await backendOf(model).disconnected()
    expect(backendOf(model).disconnects).toBe(1)
  })
})

describe("Ollama's package", () => {
  it('lists models, those that run too, and reads the version', async () => {
    const names = MODELS.toSorted()
    expect((await ollamaClient().list()).models.map(({ name }) => name)).toEqual(names)
    expect((await ollamaClient().ps()).models.map(({ model }) => model)).toEqual(names)
    expect((await ollamaClient().version()).version).toMatch(/^\d/)
  })

  it('asks its own backend for what no other has', async () => {
    say({ calls: false })
    const { capabilities } = await ollamaClient().show({ model: 'qwen' })
    expect(capabilities).toContain('tools')
    const embedded = await ollamaClient().embed({ model: 'qwen', input: ['a'] })
    expect(embedded.embeddings).toEqual([[0.5, 0.25]])
    const refused = ollamaClient().embed({ model: 'claude', input: ['a'] })
    await expect(refused).rejects.toMatchObject({ status_code: 400 })
  })

  it('reads thoughts', async () => {
    speakOllama(llama, { text: TEXT, thinking: 'hm' })
    const asked = { model: 'qwen', messages, think: true }
    expect((await ollamaClient().chat(asked)).message).toMatchObject({
      ...{ thinking: 'hm', content: TEXT },
    })
  })
})
