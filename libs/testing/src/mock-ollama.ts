import { type MockBackend } from './mock-backend.ts'

/** What the simulated Ollama says. Written from the public API's shapes. */
export interface OllamaScript {
  readonly text: string
  readonly thinking?: string
  /** Many of its versions send no ids. */
  readonly calls?: readonly { id?: string; name: string; args: object }[]
  /** Breaks the connection behind so many lines of a stream. */
  readonly cutAfter?: number
  /** Says inside the stream, behind so many lines, that it failed. */
  readonly failAfter?: number
}

const COUNTS = {
  total_duration: 5_000_000,
  load_duration: 1_000_000,
  prompt_eval_count: 10,
  prompt_eval_duration: 2_000_000,
  eval_count: 5,
  eval_duration: 2_000_000,
}
const LAST = { done: true, done_reason: 'stop', ...COUNTS }
const PLAIN = { 'content-type': 'application/json; charset=utf-8' }

type Asked = { readonly model?: string; readonly stream?: boolean }
type Line = Readonly<Record<string, unknown>>

/** Makes a simulated backend speak Ollama's own API: it streams unless it is told not to. */
export function speakOllama(backend: MockBackend, script: OllamaScript): void {
  const { cutAfter, failAfter } = script
  backend.answerWith((_request, response) => {
    const { path, body } = backend.requests.at(-1) ?? { path: '', body: Buffer.from('') }
    const asked = JSON.parse(body.toString() || '{}') as Asked
    const about = { model: asked.model ?? '', created_at: '2026-01-02T03:04:05.678901Z' }
    const json = (value: object) => response.writeHead(200, PLAIN).end(JSON.stringify(value))
    const fixed = FIXED[path]
    if (fixed) return void json(fixed)
    const lines =
      path === '/api/generate' ? generated(script) : path === '/api/chat' ? said(script) : []
    if (lines.length === 0) {
      return void response.writeHead(404, PLAIN).end('{"error":"there is nothing here"}')
    }
    if (asked.stream === false) return void json({ ...about, ...whole(lines), ...LAST })
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    const all = [...lines.map((line) => ({ ...line, done: false })), { ...emptied(lines), ...LAST }]
    const told: readonly object[] = all.slice(0, failAfter ?? cutAfter)
    for (const line of told) response.write(`${JSON.stringify({ ...about, ...line })}\n`)
    if (failAfter !== undefined) response.end('{"error":"the model ran out of memory"}\n')
    else if (cutAfter === undefined) response.end()
    else response.socket?.destroySoon()
  })
}

const FIXED: Readonly<Record<string, object>> = {
  '/api/tags': { models: [{ name: 'llama3.2:latest', model: 'llama3.2:latest' }] },
  '/api/version': { version: '0.13.0' },
  '/api/show': { capabilities: ['completion', 'tools'], details: { family: 'llama' } },
  '/api/embed': { model: 'm', embeddings: [[0.5, 0.25]], total_duration: 9, prompt_eval_count: 4 },
  '/api/embeddings': { embedding: [0.5, 0.25] },
}

function said({ text, thinking, calls = [] }: OllamaScript): readonly Line[] {
  const message = (more: object) => ({ message: { role: 'assistant', content: '', ...more } })
  return [
    ...(thinking === undefined ? [] : [message({ thinking })]),
    ...text.split(/(?<= )/).map((content) => message({ content })),
    ...calls.map(({ id, name, args }, index) => {
      const called = { function: { index, name, arguments: args } }
      return message({ tool_calls: [id === undefined ? called : { id, ...called }] })
    }),
  ]
}

function generated({ text }: OllamaScript): readonly Line[] {
  return text.split(/(?<= )/).map((response) => ({ response }))
}

type Message = Readonly<Record<string, unknown>>

/** The lines of a stream as one answer. */
function whole(lines: readonly Line[]): object {
  const messages = lines.map(({ message }) => message as Message | undefined)
  if (!messages[0]) return { response: lines.map(({ response }) => response).join('') }
  const of = (name: string) => messages.flatMap((one) => one?.[name] ?? [])
  const [thinking, calls] = [of('thinking').join(''), of('tool_calls')]
  return {
    message: {
      role: 'assistant',
      content: of('content').join(''),
      ...(thinking === '' ? {} : { thinking }),
      ...(calls.length > 0 ? { tool_calls: calls } : {}),
    },
  }
}

function emptied([first]: readonly Line[]): object {
  return first?.['message'] ? { message: { role: 'assistant', content: '' } } : { response: '' }
}
