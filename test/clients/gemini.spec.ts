import { ApiError } from '@google/genai'
import {
  backendOf,
  CALLS,
  failAll,
  googleClient,
  MODELS,
  say,
  stallAll,
  TEXT,
  useBackends,
} from './sdk-harness.ts'

useBackends()

const functionDeclarations = CALLS.map(({ name }) => ({
  name,
  parametersJsonSchema: { type: 'object', properties: {} },
}))
const config = { tools: [{ functionDeclarations }], maxOutputTokens: 100 }
const called = CALLS.map(({ name, input }) => ({ name, args: input }))

describe.each(MODELS)("Google's package and the model %s", (model) => {
  const asked = { model, contents: 'Hello', config }

  it('reads an answer', async () => {
    say({ calls: false })
    const answer = await googleClient().models.generateContent(asked)
    expect(answer.text).toBe(TEXT)
    expect(answer.usageMetadata).toMatchObject({ promptTokenCount: 10, totalTokenCount: 15 })
  })

  it('reads parallel calls', async () => {
    say({ calls: true })
    expect((await googleClient().models.generateContent(asked)).functionCalls).toMatchObject(called)
  })

  it('gathers a stream with parallel calls', async () => {
    say({ calls: true })
    const seen = { text: '', calls: [] as unknown[], total: 0 }
    for await (const chunk of await googleClient().models.generateContentStream(asked)) {
      for (const part of chunk.candidates?.[0]?.content?.parts ?? []) seen.text += part.text ?? ''
      seen.calls.push(...(chunk.functionCalls ?? []))
      seen.total = chunk.usageMetadata?.totalTokenCount ?? seen.total
    }
    expect(seen).toMatchObject({ text: TEXT, calls: called, total: 15 })
  })

  it('throws where a stream breaks off', async () => {
    say({ calls: false, cut: true })
    const stream = await googleClient().models.generateContentStream(asked)
    const read = async () => {
      for await (const _chunk of stream);
    }
    await expect(read()).rejects.toThrow()
  })

  it.each([400, 404, 429])('throws its error class for %d', async (status) => {
    failAll(status)
    const error = await googleClient()
      .models.generateContent(asked)
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({ status })
  })
})

describe("Google's package", () => {
  it('lists models', async () => {
    const names: unknown[] = []
    for await (const { name } of await googleClient().models.list()) names.push(name)
    expect(names).toEqual(MODELS.map((name) => `models/${name}`).toSorted())
  })

  it.each(MODELS)('stops the backend of %s when it aborts', async (model) => {
    stallAll()
    const leave = new AbortController()
    const one = backendOf(model)
    const config = { abortSignal: leave.signal, maxOutputTokens: 9 }
    const read = async () => {
      const asked = { model, contents: 'Hello', config }
      for await (const _chunk of await googleClient().models.generateContentStream(asked));
    }
    const ended = read().catch(() => 'aborted')
    await one.requested(1)
    leave.abort()
    expect(await ended).toBe('aborted')
    await one.disconnected()
  })
})
