import Anthropic from '@anthropic-ai/sdk'
import {
  anthropicClient,
  backend,
  backendOf,
  CALLS,
  failAll,
  MODELS,
  say,
  stallAll,
  TEXT,
  useBackends,
} from './sdk-harness.ts'

useBackends()

const messages: Anthropic.MessageParam[] = [{ role: 'user', content: 'Hello' }]
const tools: Anthropic.Tool[] = CALLS.map(({ name }) => ({
  name,
  input_schema: { type: 'object', properties: {} },
}))
const asked = (model: string) => ({ model, messages, max_tokens: 100 })

describe.each(MODELS)("Anthropic's package and the model %s", (model) => {
  it('reads an answer', async () => {
    say({ calls: false })
    const answer = await anthropicClient().messages.create(asked(model))
    expect(answer.content).toMatchObject([{ type: 'text', text: TEXT }])
    expect(answer.stop_reason).toBe('end_turn')
    const { input_tokens: fresh, cache_read_input_tokens: cached } = answer.usage
    expect(fresh + (cached ?? 0)).toBe(10)
  })

  it('reads parallel calls', async () => {
    say({ calls: true })
    const answer = await anthropicClient().messages.create({ ...asked(model), tools })
    expect(answer.content.slice(1)).toMatchObject(
      CALLS.map((call) => ({ type: 'tool_use', ...call })),
    )
    expect(answer.stop_reason).toBe('tool_use')
  })

  it('gathers a stream with parallel calls and usage', async () => {
    say({ calls: true })
    const answer = await anthropicClient()
      .messages.stream({ ...asked(model), tools })
      .finalMessage()
    expect(answer.content).toMatchObject([
      { type: 'text', text: TEXT },
      ...CALLS.map((call) => ({ type: 'tool_use', ...call })),
    ])
    expect([answer.stop_reason, answer.usage.output_tokens]).toEqual(['tool_use', 5])
  })

  it('throws where a stream breaks off', async () => {
    say({ calls: false, cut: true })
    const stream = anthropicClient().messages.stream(asked(model))
    await expect(stream.finalMessage()).rejects.toThrow()
  })

  it.each([
    [400, Anthropic.BadRequestError],
    [401, Anthropic.AuthenticationError],
    [404, Anthropic.NotFoundError],
    [429, Anthropic.RateLimitError],
    [500, Anthropic.InternalServerError],
  ])('throws its own class for %d', async (status, type) => {
    failAll(status)
    const create = anthropicClient().messages.create(asked(model))
    const error = await create.catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(type)
  })

  it('stops the backend when it aborts', async () => {
    stallAll()
    const stream = await anthropicClient().messages.create({ ...asked(model), stream: true })
    const one = backendOf(model)
    for await (const _event of stream) break
    await one.disconnected()
    expect(one.disconnects).toBe(1)
  })
})

describe("Anthropic's package", () => {
  it('lists models', async () => {
    const page = await anthropicClient().models.list()
    expect(page.data.map(({ id }) => id)).toEqual(['claude', 'gemini-3-pro', 'm1', 'qwen'])
  })

  it('carries thoughts and results back to a backend of OpenAI as far as it can take them', async () => {
    say({ calls: false })
    const [call] = CALLS
    const turns: Anthropic.MessageParam[] = [
      ...messages,
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'hm', signature: 'sig' },
          { type: 'tool_use', id: 'call_1', name: 'add', input: call?.input ?? {} },
        ],
      },
      {
        role: 'user',
        content: [{ type: 'tool_result', tool_use_id: 'call_1', content: '3' }],
      },
    ]
    const create = anthropicClient().messages.create({ ...asked('m1'), messages: turns, tools })
    const { response } = await create.withResponse()
    expect(response.headers.get('x-signalbox-dropped')).toContain('messages[].thinking_blocks')
    const sent = JSON.parse(backend.requests.at(-1)?.body.toString() ?? '{}') as object
    expect(sent).toMatchObject({
      messages: [
        { role: 'user' },
        { role: 'assistant', tool_calls: [{ id: 'call_1', type: 'function' }] },
        { role: 'tool', tool_call_id: 'call_1', content: '3' },
      ],
    })
  })
})
