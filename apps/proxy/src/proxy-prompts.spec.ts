import { speakAnthropic, speakGemini, startMockBackend, type MockBackend } from '@signalbox/testing'
import { apply, backend, base, useProxy } from './proxy-harness.ts'

useProxy()

let other: MockBackend
beforeEach(async () => {
  other = await startMockBackend({ models: [] })
  await apply('backend', 'b2', { kind: 'anthropic', url: other.url, models: ['claude'] })
  speakAnthropic(other, { text: 'Hi' })
})
afterEach(() => other.stop())

const messages = [{ role: 'user', content: 'Hello' }]
const prompts = (all: object) => apply('policy', 'default', { prompts: all })
async function sent(path: string, body: object | string): Promise<Record<string, unknown>> {
  const answer = await fetch(base + path, {
    ...{ method: 'POST', headers: { 'content-type': 'application/json' } },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  await answer.text()
  expect(answer.status).toBe(200)
  const to = answer.headers.get('x-signalbox-backend') === 'b1' ? backend : other
  return JSON.parse(to.requests.at(-1)?.body.toString() ?? '') as Record<string, unknown>
}
const CHAT = '/v1/chat/completions'

describe('prompts of a policy', () => {
  it('reach backends of every dialect, passed on or translated', async () => {
    await prompts({ all: { text: 'Be brief.' } })
    const told = [{ role: 'system', content: 'Be brief.' }, ...messages]
    expect((await sent(CHAT, { model: 'm1', messages }))['messages']).toEqual(told)
    const claude = { max_tokens: 5, messages }
    expect((await sent('/v1/messages', { model: 'claude', ...claude }))['system']).toBe('Be brief.')
    expect((await sent('/v1/messages', { model: 'm1', ...claude }))['messages']).toEqual(told)
    const crossed = await sent(CHAT, { model: 'claude', messages })
    expect(JSON.stringify(crossed['system'])).toContain('Be brief.')
    speakGemini(other, { text: 'Hi' })
    await apply('backend', 'b2', { kind: 'gemini', url: other.url, models: ['gemini-3-pro'] })
    const google = await sent('/v1beta/models/gemini-3-pro:generateContent', {
      contents: [{ role: 'user', parts: [{ text: 'Hello' }] }],
    })
    expect(google['systemInstruction']).toEqual({ parts: [{ text: 'Be brief.' }] })
  })

  it('are those for all, then for the model, then for the backend that was picked', async () => {
    await prompts({
      all: { text: 'all', mode: 'replace' },
      models: { m1: { text: 'model', mode: 'append' }, m2: { text: 'no' } },
      backends: { b1: { text: 'backend' }, b2: { text: 'no' } },
    })
    const own = { role: 'system', content: 'mine' }
    const body = await sent(CHAT, { model: 'm1', messages: [own, ...messages] })
    expect(body['messages']).toEqual([
      { role: 'system', content: 'backend\n\nall\n\nmodel' },
      ...messages,
    ])
  })

  it('leave numbers as they stood, and the name to the backend', async () => {
    await prompts({ all: { text: 'P' } })
    await apply('route', 'public', { tiers: [{ targets: [{ backend: 'b1', model: 'm1' }] }] })
    const said = `{"model":"public","seed":12345678901234567890,"t":1.0,"messages":${JSON.stringify(messages)}}`
    await sent(CHAT, said)
    const text = backend.requests.at(-1)?.body.toString() ?? ''
    expect(text).toContain('"model":"m1","seed":12345678901234567890,"t":1.0,')
  })

  it('leave every byte alone where there are none for this request', async () => {
    await prompts({ models: { other: { text: 'P' } }, backends: { b2: { text: 'P' } } })
    const said = `{ "model" : "m1", "messages": ${JSON.stringify(messages)} }`
    await sent(CHAT, said)
    expect(backend.requests.at(-1)?.body.toString()).toBe(said)
  })

  it('do not reach what has no system prompt', async () => {
    await prompts({ all: { text: 'P' } })
    const body = { model: 'm1', input: 'a' }
    expect(await sent('/v1/embeddings', body)).toEqual(body)
  })
})
