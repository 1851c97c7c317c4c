import { ApiError, GoogleGenAI } from '@google/genai'
import { speakGemini } from '@signalbox/testing'
import { base } from '../../apps/proxy/src/proxy-harness.ts'
import {
  backend,
  CALLS,
  claude,
  failBoth,
  google,
  say,
  stallBoth,
  TEXT,
  useBackends,
} from './sdk-harness.ts'

useBackends()

/** The package looks for Node's dispatcher in the global object, which inside Jest is another. */
const plainFetch: typeof fetch = (url, init) => {
  const { dispatcher: _none, ...rest } = init as RequestInit & { dispatcher?: unknown }
  return fetch(url, rest)
}
const client = () =>
  new GoogleGenAI({
    apiKey: 'unused',
    httpOptions: { baseUrl: base, fetch: plainFetch, retryOptions: { attempts: 1 } },
  })
const functionDeclarations = CALLS.map(({ name }) => ({
  name,
  parametersJsonSchema: { type: 'object', properties: {} },
}))
const config = { tools: [{ functionDeclarations }], maxOutputTokens: 100 }
const called = CALLS.map(({ name, input }) => ({ name, args: input }))

describe.each(['m1', 'claude', 'gemini-3-pro'])("Google's package and the model %s", (model) => {
  const asked = { model, contents: 'Hello', config }
  const speak = (script: { calls: boolean; cut?: boolean }) => {
    say(script)
    const calls = script.calls ? { calls: called } : {}
    speakGemini(google, { text: TEXT, ...calls, ...(script.cut ? { cutAfter: 1 } : {}) })
  }

  it('reads an answer', async () => {
    speak({ calls: false })
    const answer = await client().models.generateContent(asked)
    expect(answer.text).toBe(TEXT)
    expect(answer.usageMetadata).toMatchObject({ promptTokenCount: 10, totalTokenCount: 15 })
  })

  it('reads parallel calls', async () => {
    speak({ calls: true })
    expect((await client().models.generateContent(asked)).functionCalls).toMatchObject(called)
  })

  it('gathers a stream with parallel calls', async () => {
    speak({ calls: true })
    const seen = { text: '', calls: [] as unknown[], total: 0 }
    for await (const chunk of await client().models.generateContentStream(asked)) {
      for (const part of chunk.candidates?.[0]?.content?.parts ?? []) seen.text += part.text ?? ''
      seen.calls.push(...(chunk.functionCalls ?? []))
      seen.total = chunk.usageMetadata?.totalTokenCount ?? seen.total
    }
    expect(seen).toMatchObject({ text: TEXT, calls: called, total: 15 })
  })

  it('throws where a stream breaks off', async () => {
    speak({ calls: false, cut: true })
    const stream = await client().models.generateContentStream(asked)
    const read = async () => {
      for await (const _chunk of stream);
    }
    await expect(read()).rejects.toThrow()
  })

  it.each([400, 404, 429])('throws its error class for %d', async (status) => {
    failBoth(status)
    google.failWith(status, { body: JSON.stringify({ error: { code: status, message: 'no' } }) })
    const error = await client()
      .models.generateContent(asked)
      .catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({ status })
  })
})

describe("Google's package", () => {
  it('lists models', async () => {
    const names: unknown[] = []
    for await (const { name } of await client().models.list()) names.push(name)
    expect(names).toEqual(['models/claude', 'models/gemini-3-pro', 'models/m1'])
  })

  it.each(['m1', 'claude'])('stops the backend of %s when it aborts', async (model) => {
    stallBoth()
    const leave = new AbortController()
    const one = model === 'm1' ? backend : claude
    const config = { abortSignal: leave.signal, maxOutputTokens: 9 }
    const read = async () => {
      const asked = { model, contents: 'Hello', config }
      for await (const _chunk of await client().models.generateContentStream(asked));
    }
    const ended = read().catch(() => 'aborted')
    await one.requested(1)
    leave.abort()
    expect(await ended).toBe('aborted')
    await one.disconnected()
  })
})
