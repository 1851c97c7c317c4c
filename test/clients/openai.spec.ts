import OpenAI from 'openai'
import {
  backendOf,
  CALLS,
  failAll,
  MODELS,
  openaiClient,
  say,
  stallAll,
  TEXT,
  useBackends,
} from './sdk-harness.ts'

useBackends()

const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Hello' }]
const tools: OpenAI.ChatCompletionTool[] = CALLS.map(({ name }) => ({
  type: 'function',
  function: { name, parameters: { type: 'object', properties: {} } },
}))
const called = CALLS.map(({ id, name, input }) => ({ id, name, input }))
const readCalls = (calls: readonly OpenAI.ChatCompletionMessageToolCall[] = []) =>
  calls.flatMap((call) =>
    call.type === 'function'
      ? [{ id: call.id, name: call.function.name, input: JSON.parse(call.function.arguments) }]
      : [],
  )

describe.each(MODELS)("OpenAI's package and the model %s", (model) => {
  const create = (more: object = {}) =>
    openaiClient().chat.completions.create({ model, messages, ...more })

  it('reads an answer', async () => {
    say({ calls: false })
    const answer = await create()
    expect(answer.choices[0]).toMatchObject({ message: { content: TEXT }, finish_reason: 'stop' })
    expect(answer.usage).toMatchObject({ prompt_tokens: 10, total_tokens: 15 })
  })

  it('reads parallel calls', async () => {
    say({ calls: true })
    const answer = await create({ tools })
    expect(readCalls(answer.choices[0]?.message.tool_calls)).toEqual(called)
  })

  it('gathers a stream with parallel calls and usage', async () => {
    say({ calls: true })
    const options = { stream: true as const, stream_options: { include_usage: true } }
    const stream = openaiClient().chat.completions.stream({ model, messages, tools, ...options })
    const answer = await stream.finalChatCompletion()
    expect(answer.choices[0]?.message.content).toBe(TEXT)
    expect(readCalls(answer.choices[0]?.message.tool_calls)).toEqual(called)
    expect(answer.usage).toMatchObject({ completion_tokens: 5 })
  })

  it('throws where a stream breaks off', async () => {
    say({ calls: false, cut: true })
    const stream = await openaiClient().chat.completions.create({ model, messages, stream: true })
    const read = async () => {
      let text = ''
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
      return text
    }
    await expect(read()).rejects.toThrow()
  })

  it.each([
    [400, OpenAI.BadRequestError],
    [401, OpenAI.AuthenticationError],
    [404, OpenAI.NotFoundError],
    [429, OpenAI.RateLimitError],
    [500, OpenAI.InternalServerError],
  ])('throws its own class for %d', async (status, type) => {
    failAll(status)
    const error = await create().catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(type)
    expect((error as InstanceType<typeof OpenAI.APIError>).message).not.toBe(`${status}`)
  })

  it('stops the backend when it aborts', async () => {
    stallAll()
    const stream = await openaiClient().chat.completions.create({ model, messages, stream: true })
    const one = backendOf(model)
    for await (const _chunk of stream) break
    await one.disconnected()
    expect(one.disconnects).toBe(1)
  })
})
