// The official packages, as an application uses them: against a proxy, over backends of either
// dialect. Nothing here knows that a translation exists.
import Anthropic from '@anthropic-ai/sdk'
import { type MockBackend, speakAnthropic, startMockBackend } from '@signalbox/testing'
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

export const openaiClient = () =>
  new OpenAI({ baseURL: `${base}/v1`, apiKey: 'unused', maxRetries: 0 })
export const anthropicClient = () =>
  new Anthropic({ baseURL: base, apiKey: 'unused', maxRetries: 0 })

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
  afterEach(() => Promise.all([claude.stop(), google.stop()]))
}

interface Script {
  readonly calls: boolean
  readonly cut?: boolean
}

export function say({ calls, cut = false }: Script): void {
  speakAnthropic(claude, {
    text: TEXT,
    ...(calls ? { calls: CALLS } : {}),
    ...(cut ? { cutAfter: 4 } : {}),
  })
  speakOpenAI({ calls, cut })
}

/** What OpenAI streams, calls in parallel and their arguments in pieces included. */
function speakOpenAI({ calls, cut }: Required<Script>): void {
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
    ...TEXT.split(/(?<= )/).map((content) => ({ content })),
    ...whole.flatMap(({ id, function: called }, index) => [
      { tool_calls: [{ index, id, type: 'function', function: { ...called, arguments: '' } }] },
      ...[called.arguments.slice(0, 3), called.arguments.slice(3)].map((text) => ({
        tool_calls: [{ index, function: { arguments: text } }],
      })),
    ]),
  ]
  backend.answerWith((_request, response) => {
    const body = backend.requests.at(-1)?.body.toString() ?? '{}'
    const { stream, stream_options: options } = JSON.parse(body) as {
      stream?: boolean
      stream_options?: { include_usage?: boolean }
    }
    const about = { id: 'chatcmpl-1', created: 1, model: 'm1' }
    if (!stream) {
      const message = { role: 'assistant', content: TEXT, ...(calls ? { tool_calls: whole } : {}) }
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
  })
}

export function failBoth(status: number): void {
  backend.failWith(status)
  const error = { type: 'error', error: { type: 'api_error', message: 'The backend says no.' } }
  claude.failWith(status, { body: JSON.stringify(error) })
}

/** A stream that begins and never ends. */
export function stallBoth(): void {
  const begin = (one: MockBackend, text: string) =>
    one.answerWith((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(text)
    })
  const chunk = { id: 'c', model: 'm1', choices: [{ index: 0, delta: { content: 'One' } }] }
  begin(backend, `data: ${JSON.stringify(chunk)}\n\n`)
  const start = { type: 'message_start', message: { id: 'm', model: 'claude', usage: {} } }
  begin(claude, `event: message_start\ndata: ${JSON.stringify(start)}\n\n`)
}
