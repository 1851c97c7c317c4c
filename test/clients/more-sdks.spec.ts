// Packages that many applications use in place of the makers' own. What they send differs in small
// things, and what they make of errors and broken streams does, too.
import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { type AIMessageChunk, HumanMessage } from '@langchain/core/messages'
import { ChatOpenAI } from '@langchain/openai'
import { APICallError, generateText, jsonSchema, streamText, tool, type ToolSet } from 'ai'
import { base } from '../../apps/proxy/src/proxy-harness.ts'
import {
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

const prompt = 'Hello'
const maxRetries = 0
const called = CALLS.map(({ id, name, input }) => ({ id, name, input }))
const anything = { type: 'object' as const, properties: {}, additionalProperties: true }

const ofOpenAI = (model: string) =>
  createOpenAICompatible({ name: 'proxy', baseURL: `${base}/v1`, apiKey: 'x', includeUsage: true })(
    model,
  )
const ofAnthropic = (model: string) =>
  createAnthropic({ baseURL: `${base}/v1`, apiKey: 'unused' })(model)

const pairs = MODELS.flatMap((model) => [
  ['OpenAI', model, ofOpenAI] as const,
  ['Anthropic', model, ofAnthropic] as const,
])

describe.each(pairs)(
  "the package ai in %s's dialect and the model %s",
  (_dialect, name, modelOf) => {
    const tools = Object.fromEntries(
      CALLS.map((call) => [call.name, tool({ inputSchema: jsonSchema(anything) })]),
    ) as ToolSet

    it('reads an answer and what it cost', async () => {
      say({ calls: false })
      const { text, usage } = await generateText({ model: modelOf(name), prompt, maxRetries })
      expect([text, usage.inputTokens, usage.outputTokens]).toEqual([TEXT, 10, 5])
    })

    it('reads a stream', async () => {
      say({ calls: false })
      const stream = streamText({ model: modelOf(name), prompt, maxRetries })
      expect(await stream.text).toBe(TEXT)
      expect((await stream.usage).outputTokens).toBe(5)
    })

    it.each(['whole', 'streamed'])('reads parallel calls, %s', async (how) => {
      say({ calls: true })
      const asked = { model: modelOf(name), prompt, tools, maxRetries }
      const calls =
        how === 'whole' ? (await generateText(asked)).toolCalls : await streamText(asked).toolCalls
      expect(
        calls.map(({ toolCallId: id, toolName, input }) => ({ id, name: toolName, input })),
      ).toEqual(called)
    })

    it.each([400, 401, 429, 500])('throws its own class for %d', async (status) => {
      failAll(status)
      const error = await generateText({ model: modelOf(name), prompt, maxRetries }).catch(
        (thrown: unknown) => thrown,
      )
      expect(APICallError.isInstance(error)).toBe(true)
      expect((error as APICallError).statusCode).toBe(status)
    })

    it('sees that a stream broke off', async () => {
      say({ calls: false, cut: true })
      const errors: unknown[] = []
      const onError = ({ error }: { error: unknown }) => void errors.push(error)
      const stream = streamText({ model: modelOf(name), prompt, maxRetries, onError })
      await stream.consumeStream()
      expect(errors).not.toEqual([])
    })

    it('stops the backend when it aborts', async () => {
      stallAll()
      const leaving = new AbortController()
      const { signal: abortSignal } = leaving
      const stream = streamText({ model: modelOf(name), prompt, maxRetries, abortSignal })
      const reading = stream.consumeStream({ onError: () => {} })
      const one = backendOf(name)
      await one.requested()
      leaving.abort()
      await Promise.all([reading, one.disconnected()])
    })
  },
)

describe.each(MODELS)("LangChain's package and the model %s", (model) => {
  const chat = (more: object = {}) =>
    new ChatOpenAI({
      ...{ model, apiKey: 'unused', maxRetries, ...more },
      configuration: { baseURL: `${base}/v1` },
    })
  const messages = [new HumanMessage(prompt)]

  it('reads an answer and what it cost', async () => {
    say({ calls: false })
    const answer = await chat().invoke(messages)
    const { total_tokens: tokens } = answer.usage_metadata as unknown as Record<string, number>
    expect([answer.text, tokens]).toEqual([TEXT, 15])
  })

  it('reads a stream', async () => {
    say({ calls: false })
    let text = ''
    for await (const chunk of await chat().stream(messages)) text += chunk.text
    expect(text).toBe(TEXT)
  })

  it.each(['whole', 'streamed'])('reads parallel calls, %s', async (how) => {
    say({ calls: true })
    const tools = CALLS.map(({ name }) => ({
      type: 'function' as const,
      function: { name, description: name, parameters: anything },
    }))
    const asked = chat().bindTools(tools)
    const gathered = async () => {
      let all: AIMessageChunk | undefined
      for await (const chunk of await asked.stream(messages)) all = all?.concat(chunk) ?? chunk
      return all
    }
    const answer = how === 'whole' ? await asked.invoke(messages) : await gathered()
    expect(answer?.tool_calls?.map(({ id, name, args: input }) => ({ id, name, input }))).toEqual(
      called,
    )
  })

  it.each([400, 401, 429, 500])('throws for %d', async (status) => {
    failAll(status)
    await expect(chat().invoke(messages)).rejects.toMatchObject({ status })
  })

  it('throws where a stream breaks off', async () => {
    say({ calls: false, cut: true })
    const read = async () => {
      for await (const _chunk of await chat().stream(messages));
    }
    await expect(read()).rejects.toThrow()
  })

  it('stops the backend when it aborts', async () => {
    stallAll()
    const leaving = new AbortController()
    const read = async () => {
      for await (const _chunk of await chat().stream(messages, { signal: leaving.signal }));
    }
    const ended = read().catch(() => 'aborted')
    await backendOf(model).requested()
    leaving.abort()
    expect(await ended).toBe('aborted')
    await backendOf(model).disconnected()
  })
})
