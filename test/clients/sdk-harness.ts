// The official packages, as an application uses them: against a proxy, over backends of every
// dialect. Nothing here knows that a translation exists.
import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import {
  type Answer,
  type MockBackend,
  speakAnthropic,
  speakGemini,
  speakOllama,
  startMockBackend,
  type StatusFault,
} from '@signalbox/testing'
import { Ollama } from 'ollama'
import OpenAI from 'openai'
import { apply, backend, base, useProxy } from '../../apps/proxy/src/proxy-harness.ts'

export { backend }
export const TEXT = 'One two three.'
export const CALLS = [
  { id: 'call_1', name: 'add', input: { a: 1, b: 'é"\\' } },
  { id: 'call_2', name: 'now', input: {} },
]
export let claude: MockBackend
export let google: MockBackend
export let llama: MockBackend
/** A model of a backend of each dialect. */
export const MODELS = ['m1', 'claude', 'gemini-3-pro', 'qwen'] as const
export type Model = (typeof MODELS)[number]

export const openaiClient = () =>
  new OpenAI({ baseURL: `${base}/v1`, apiKey: 'unused', maxRetries: 0 })
export const anthropicClient = () =>
  new Anthropic({ baseURL: base, apiKey: 'unused', maxRetries: 0 })
/** The package looks for Node's dispatcher in the global object, which inside Jest is another. */
const plainFetch: typeof fetch = (url, init) => {
  const { dispatcher: _none, ...rest } = init as RequestInit & { dispatcher?: unknown }
  return fetch(url, rest)
}
export const googleClient = () =>
  new GoogleGenAI({
    apiKey: 'unused',
    httpOptions: { baseUrl: base, fetch: plainFetch, retryOptions: { attempts: 1 } },
  })
export const ollamaClient = () => new Ollama({ host: base, fetch: plainFetch })

/** A backend of each dialect; both say the same, once they are told what. */
export function useBackends(): void {
  useProxy()
  beforeEach(async () => {
    claude = await startMockBackend({ models: [] })
    await apply('backend', 'b2', { kind: 'anthropic', url: claude.url, models: ['claude'] })
  })
  beforeEach(async () => {
    google = await startMockBackend({ models: [] })
    await apply('backend', 'b3', { kind: 'gemini', url: google.url, models: ['gemini-3-pro'] })
  })
  beforeEach(async () => {
    llama = await startMockBackend({ models: [] })
    await apply('backend', 'b4', { kind: 'ollama-native', url: llama.url, models: ['qwen'] })
  })
  afterEach(() => Promise.all([claude.stop(), google.stop(), llama.stop()]))
}

export function backendOf(model: Model): MockBackend {
  return { m1: backend, claude, 'gemini-3-pro': google, qwen: llama }[model]
}

/** What a backend was sent last. */
export function sentTo(model: Model): string {
  return backendOf(model).requests.at(-1)?.body.toString() ?? ''
}

interface Script {
  readonly calls: boolean
  readonly cut?: boolean
  readonly text?: string
}

export function say({ calls, cut = false, text = TEXT }: Script): void {
  const called = CALLS.map(({ input, ...call }) => ({ ...call, args: input }))
  const ofArgs = calls ? { text, calls: called } : { text }
  speakAnthropic(claude, {
    text,
    ...(calls ? { calls: CALLS } : {}),
    ...(cut ? { cutAfter: 4 } : {}),
  })
  speakGemini(google, { ...ofArgs, ...(cut ? { cutAfter: 1 } : {}) })
  speakOllama(llama, { ...ofArgs, ...(cut ? { cutAfter: 2 } : {}) })
  speakOpenAI(backend, { calls, cut, text })
  // Google's backends have a door for OpenAI's clients, through which bytes pass.
  speakOpenAI(google, { calls, cut, text })
}

/** What OpenAI streams, calls in parallel and their arguments in pieces included. */
function speakOpenAI(one: MockBackend, { calls, cut, text }: Required<Script>): void {
  const chosen = calls ? CALLS : []
  const reason = calls ? 'tool_calls' : 'stop'
  const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }
  const whole = chosen.map(({ id, name, input }) => ({
    id,
    type: 'function',
    function: { name, arguments: JSON.stringify(input) },
  }))
  const deltas: object[] = [
    { role: 'assistant', content: '' },
    ...text.split(/(?<= )/).map((content) => ({ content })),
    ...whole.flatMap(({ id, function: called }, index) => [
      { tool_calls: [{ index, id, type: 'function', function: { ...called, arguments: '' } }] },
      ...[called.arguments.slice(0, 3), called.arguments.slice(3)].map((text) => ({
        tool_calls: [{ index, function: { arguments: text } }],
      })),
    ]),
  ]
  const answer: Answer = (_request, response) => {
    const body = one.requests.at(-1)?.body.toString() ?? '{}'
    const { stream, stream_options: options } = JSON.parse(body) as {
      stream?: boolean
      stream_options?: { include_usage?: boolean }
    }
    const about = { id: 'chatcmpl-1', created: 1, model: 'm1' }
    if (!stream) {
      const message = { role: 'assistant', content: text, ...(calls ? { tool_calls: whole } : {}) }
      const choices = [{ index: 0, message, finish_reason: reason }]
      response.writeHead(200, { 'content-type': 'application/json' })
      return void response.end(
        JSON.stringify({ ...about, object: 'chat.completion', choices, usage }),
      )
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const event = (more: object) =>
      response.write(
        `data: ${JSON.stringify({ ...about, object: 'chat.completion.chunk', ...more })}\n\n`,
      )
    const told = cut ? deltas.slice(0, 2) : deltas
    for (const delta of told) event({ choices: [{ index: 0, delta, finish_reason: null }] })
    if (cut) return void response.socket?.destroySoon()
    event({ choices: [{ index: 0, delta: {}, finish_reason: reason }] })
    if (options?.include_usage) event({ choices: [], usage })
    response.end('data: [DONE]\n\n')
  }
  one.answerWith(answer, { only: '/v1/chat/completions' })
}

const TELLS = { message: 'The backend says no.' }

/** Every backend says no, in its own shape. */
export function failAll(status: number, more: StatusFault = {}): void {
  const shapes = [
    [backend, { error: TELLS }],
    [claude, { type: 'error', error: { type: 'api_error', ...TELLS } }],
    [google, { error: { code: status, ...TELLS } }],
    [llama, { error: TELLS.message }],
  ] as const
  for (const [one, body] of shapes) {
    one.failWith(status, { body: JSON.stringify(body), ...more })
  }
}

/** Streams that begin and never end. */
export function stallAll(): void {
  const begin = (one: MockBackend, text: string, only?: string) =>
    one.answerWith(
      (_request, response) => {
        const type = text.startsWith('{') ? 'application/x-ndjson' : 'text/event-stream'
        response.writeHead(200, { 'content-type': type })
        response.write(text)
      },
      only === undefined ? {} : { only },
    )
  const data = (value: object) => `data: ${JSON.stringify(value)}\n\n`
  const said = data({ id: 'c', model: 'm1', choices: [{ index: 0, delta: { content: 'One' } }] })
  begin(backend, said)
  const start = { type: 'message_start', message: { id: 'm', model: 'claude', usage: {} } }
  const block = { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }
  const delta = { type: 'text_delta', text: 'One' }
  const text = { type: 'content_block_delta', index: 0, delta }
  const events = [start, block, text].map((one) => `event: ${one.type}\n${data(one)}`)
  begin(claude, events.join(''))
  begin(google, data({ candidates: [{ content: { parts: [{ text: 'One' }] }, index: 0 }] }))
  begin(google, said, '/v1/chat/completions')
  const message = { role: 'assistant', content: 'One' }
  begin(llama, `${JSON.stringify({ model: 'qwen', message, done: false })}\n`)
}
