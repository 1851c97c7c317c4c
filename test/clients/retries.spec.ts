// When a package tries again: what a backend says of when it may be asked is what it hears.
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { base } from '../../apps/proxy/src/proxy-harness.ts'
import { backendOf, failAll, type Model, MODELS, say, TEXT, useBackends } from './sdk-harness.ts'

useBackends()

const maxRetries = 1
const messages = [{ role: 'user' as const, content: 'Hello' }]

async function byOpenAI(model: Model) {
  const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: 'unused', maxRetries })
  const answer = await client.chat.completions.create({ model, messages })
  return answer.choices[0]?.message.content
}

async function byAnthropic(model: Model) {
  const client = new Anthropic({ baseURL: base, apiKey: 'unused', maxRetries })
  const [block] = (await client.messages.create({ model, messages, max_tokens: 9 })).content
  return block?.type === 'text' && block.text
}

const pairs = MODELS.flatMap((model) => [
  ["OpenAI's", model, byOpenAI] as const,
  ["Anthropic's", model, byAnthropic] as const,
])

describe.each(pairs)('%s package and the model %s', (_name, model, ask) => {
  const NOW = { 'retry-after': '0' }

  it('asks again where the backend was busy, when it says so', async () => {
    say({ calls: false })
    failAll(429, { times: 1, headers: NOW })
    expect(await ask(model)).toBe(TEXT)
    expect(backendOf(model).requests).toHaveLength(2)
  })

  it('asks no more often than it is told, and never where it was wrong', async () => {
    say({ calls: false })
    failAll(429, { times: 2, headers: NOW })
    await expect(ask(model)).rejects.toMatchObject({ status: 429 })
    expect(backendOf(model).requests).toHaveLength(2)
    failAll(400, { times: 1, headers: NOW })
    await expect(ask(model)).rejects.toMatchObject({ status: 400 })
    expect(backendOf(model).requests).toHaveLength(3)
  })
})
