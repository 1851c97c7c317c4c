import { gzipSync } from 'node:zlib'
import { type RequestRecord } from '@signalbox/model'
import { type MockBackend, speakAnthropic, speakGemini, startMockBackend } from '@signalbox/testing'
import { apply, backend, base, chat, hello, useProxy } from './proxy-harness.ts'
import { recordNamed, storing } from './usage-harness.ts'

useProxy()

let claude: MockBackend
beforeEach(async () => {
  claude = await startMockBackend({ models: [] })
  await apply('backend', 'b2', { kind: 'anthropic', url: claude.url, models: ['claude'] })
})
afterEach(() => claude.stop())

const post = (path: string, body: object, id: string) =>
  fetch(`${base}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-request-id': id },
    body: JSON.stringify(body),
  })

async function tokensOf(all: readonly RequestRecord[], id: string) {
  return (await recordNamed(all, id)).tokens
}

describe('tokens that a backend counted', () => {
  it('are recorded of a plain answer, and of embeddings', async () => {
    const all = storing()
    const answer = await chat(hello, { 'x-request-id': 'plain' })
    const { usage } = (await answer.json()) as { usage: { completion_tokens: number } }
    expect(await tokensOf(all, 'plain')).toEqual({
      ...{ prompt: 1, completion: usage.completion_tokens, cached: null, reasoning: null },
    })
    await (await post('/v1/embeddings', { model: 'm1', input: ['one two'] }, 'vector')).text()
    expect(await tokensOf(all, 'vector')).toMatchObject({ prompt: 2, completion: null })
  })

  it('are recorded of a stream whose client asked for them', async () => {
    const all = storing()
    const options = { stream: true, stream_options: { include_usage: true } }
    await (await chat({ ...hello, ...options }, { 'x-request-id': 'stream' })).text()
    expect(await tokensOf(all, 'stream')).toMatchObject({ prompt: 1, cached: null })
  })

  it('are recorded of a compressed answer', async () => {
    const all = storing()
    const text = JSON.stringify({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 4 } })
    backend.answerWith((_request, response) => {
      const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
      response.writeHead(200, headers).end(gzipSync(text))
    })
    await (await chat(hello, { 'x-request-id': 'gzip' })).text()
    expect(await tokensOf(all, 'gzip')).toMatchObject({ prompt: 3, completion: 4 })
  })

  it('are recorded of Anthropic, passed on and translated, whole and streamed', async () => {
    const all = storing()
    speakAnthropic(claude, { text: 'One two three.' })
    const messages = [{ role: 'user', content: 'Hello' }]
    const said = { model: 'claude', max_tokens: 10, messages }
    for (const stream of [false, true]) {
      await (await post('/v1/messages', { ...said, stream }, `native-${stream}`)).text()
      await (await chat({ ...said, stream }, { 'x-request-id': `crossed-${stream}` })).text()
    }
    const counted = { prompt: 10, completion: 5, cached: 3 }
    for (const id of ['native-false', 'native-true', 'crossed-false', 'crossed-true']) {
      expect([id, await tokensOf(all, id)]).toEqual([id, expect.objectContaining(counted)])
    }
  })

  it('are recorded of Gemini', async () => {
    const all = storing()
    speakGemini(claude, { text: 'One two three.' })
    await apply('backend', 'b3', { kind: 'gemini', url: claude.url, models: ['gemini-3-pro'] })
    const contents = [{ role: 'user', parts: [{ text: 'Hello' }] }]
    const path = '/v1beta/models/gemini-3-pro'
    await (await post(`${path}:generateContent`, { contents }, 'one')).text()
    await (await post(`${path}:streamGenerateContent?alt=sse`, { contents }, 'sse')).text()
    const [one, sse] = [await tokensOf(all, 'one'), await tokensOf(all, 'sse')]
    expect([one.prompt, one.completion]).toEqual([sse.prompt, sse.completion])
    expect(one.prompt).toBeGreaterThan(0)
  })

  it('stay unknown where the request failed', async () => {
    const all = storing()
    const refused = JSON.stringify({ error: { message: 'no' }, usage: { prompt_tokens: 1 } })
    backend.failWith(400, { body: refused })
    await (await chat(hello, { 'x-request-id': 'failed' })).text()
    expect((await tokensOf(all, 'failed')).prompt).toBeNull()
  })
})

describe('a stream whose client did not ask for its usage', () => {
  const streaming = { ...hello, stream: true }
  const sent = () => JSON.parse(backend.requests.at(-1)?.body.toString() ?? '') as object
  const onto = (kind: string) => apply('backend', 'b1', { kind, url: backend.url, models: ['m1'] })

  it('is asked for it, and is what it would have been without', async () => {
    const all = storing()
    const plain = await (await chat(streaming)).text()
    expect(sent()).not.toHaveProperty('stream_options')
    await onto('vllm')
    const asked = await (await chat(streaming, { 'x-request-id': 'asked' })).text()
    expect(sent()).toEqual({ ...streaming, stream_options: { include_usage: true } })
    const bare = (text: string) =>
      text.replaceAll(/"id":"[^"]*"/g, '').replaceAll(/"created":\d+/g, '')
    expect(bare(asked)).toBe(bare(plain))
    expect(await tokensOf(all, 'asked')).toMatchObject({ prompt: 1, completion: 14 })
  })

  it.each([
    ['null', null, { include_usage: true }],
    ['a refusal and more', { include_usage: false, a: 1 }, { include_usage: true, a: 1 }],
  ])('keeps its other options: %s', async (_what, given, options) => {
    await onto('vllm')
    const text = await (await chat({ ...streaming, stream_options: given })).text()
    expect(sent()).toMatchObject({ stream_options: options })
    expect(text).not.toContain('prompt_tokens')
  })

  it('passes byte for byte where it asks itself, or its options are nonsense', async () => {
    await onto('vllm')
    for (const given of [{ include_usage: true }, 'yes', [], { include_usage: 'x' }]) {
      const text = JSON.stringify({ ...streaming, stream_options: given })
      const answer = await (await chat(text)).text()
      expect(backend.requests.at(-1)?.body.toString()).toBe(text)
      if (Object.hasOwn(given as object, 'include_usage') && text.includes('true}')) {
        expect(answer).toContain('prompt_tokens')
      }
    }
  })

  it('is left alone where the policy says never, and asked of any kind where it says always', async () => {
    await onto('vllm')
    await apply('policy', 'default', { tokens: { ask: 'never' } })
    await (await chat(streaming)).text()
    expect(sent()).not.toHaveProperty('stream_options')
    await onto('openai-compatible')
    await apply('policy', 'default', { tokens: { ask: 'always' } })
    await (await chat(streaming)).text()
    expect(sent()).toHaveProperty('stream_options')
  })

  it('that breaks off breaks off for its client', async () => {
    await onto('vllm')
    backend.cutAfter(2)
    const answer = await chat(streaming)
    await expect(answer.text()).rejects.toThrow()
  })
})

describe('tokens that no backend counted', () => {
  const text = 'The quick brown fox jumps over the lazy dog. '
  const says = (content: string) => {
    backend.answerWith((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ choices: [{ message: { role: 'assistant', content } }] }))
    })
  }
  const asks = (content: string) => ({ ...hello, messages: [{ role: 'user', content }] })

  it('are guessed, and marked as a guess', async () => {
    const all = storing()
    says(text)
    await (await chat(asks(text.repeat(10)), { 'x-request-id': 'guess' })).text()
    const { prompt, completion, ...more } = await tokensOf(all, 'guess')
    expect(more).toEqual({ cached: null, reasoning: null, estimated: true })
    expect([prompt, completion]).toEqual([101, 11])
  })

  it('are guessed of a stream that broke off, by as much as came', async () => {
    const all = storing()
    backend.cutAfter(5)
    await expect(
      (await chat({ ...hello, stream: true }, { 'x-request-id': 'cut' })).text(),
    ).rejects.toThrow()
    const { prompt, completion, estimated } = await tokensOf(all, 'cut')
    expect([prompt, estimated]).toEqual([1, true])
    expect(completion).toBeGreaterThan(3)
    expect(completion).toBeLessThan(30)
  })

  it('are guessed of a long text from a part of it', async () => {
    const all = storing()
    says(text.repeat(1_000))
    await (await chat(asks(text.repeat(1_000)), { 'x-request-id': 'long' })).text()
    const { prompt, completion } = await tokensOf(all, 'long')
    for (const count of [prompt, completion]) {
      expect(count).toBeGreaterThan(9_500)
      expect(count).toBeLessThan(10_500)
    }
  })

  it('stay unknown where the policy says so, and of what generates nothing', async () => {
    const all = storing()
    says(text)
    await (await post('/v1/embeddings', { model: 'm1', input: 'a' }, 'vectors')).text()
    await apply('policy', 'default', { tokens: { estimate: false } })
    await (await chat(hello, { 'x-request-id': 'off' })).text()
    expect(await tokensOf(all, 'vectors')).toMatchObject({ prompt: null })
    expect(await tokensOf(all, 'off')).toMatchObject({ prompt: null, completion: null })
  })
})

describe('the limit of an answer', () => {
  const bodyAt = async (kind: string, body: object, path = '/v1/chat/completions') => {
    await apply('backend', 'b1', { kind, url: backend.url, models: ['m1'] })
    await (await post(path, { ...hello, ...body }, 'limit')).text()
    return JSON.parse(backend.requests.at(-1)?.body.toString() ?? '') as object
  }

  it.each([
    ['ollama', { max_completion_tokens: 5 }, { max_tokens: 5 }],
    ['openai', { max_tokens: 5 }, { max_completion_tokens: 5 }],
    ['openai', { max_tokens: 5, max_completion_tokens: 6 }, undefined],
    ['ollama', { max_tokens: 5 }, undefined],
    ['vllm', { max_completion_tokens: 5 }, undefined],
    ['openai-compatible', { max_completion_tokens: 5 }, undefined],
  ])('is said to %s in the word that it reads: %j', async (kind, given, said = given) => {
    expect(await bodyAt(kind, given)).toEqual({ ...hello, ...said })
  })

  it('is said so in a translation, too, and nowhere but in chats', async () => {
    const claude = await bodyAt('openai', { max_tokens: 9 }, '/v1/messages')
    expect(claude).toMatchObject({ max_completion_tokens: 9 })
    expect(claude).not.toHaveProperty('max_tokens')
    const text = await bodyAt('openai', { max_tokens: 9, prompt: 'a' }, '/v1/completions')
    expect(text).toHaveProperty('max_tokens')
  })
})
