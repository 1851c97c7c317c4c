import { type ServerResponse } from 'node:http'
import { type MockBackend } from './mock-backend.ts'
import { type Answer } from './mock-faults.ts'

/** What the simulated Anthropic says. Written from the public API's shapes. */
export interface AnthropicScript {
  /** Signed thoughts before the text. */
  readonly thinking?: { readonly text: string; readonly signature: string }
  readonly text: string
  readonly calls?: readonly { id: string; name: string; input: unknown }[]
  /** Breaks the connection behind so many events of a stream. */
  readonly cutAfter?: number
  /** Says inside the stream, behind so many events, that it is overloaded. */
  readonly overloadedAfter?: number
}

const USAGE = { input_tokens: 7, cache_read_input_tokens: 3, cache_creation_input_tokens: 0 }
const OUTPUT_TOKENS = 5

/** Makes a simulated backend speak Anthropic's Messages API. */
export function speakAnthropic(backend: MockBackend, script: AnthropicScript): void {
  const answer: Answer = (_request, response) => {
    const { path, body } = backend.requests.at(-1) ?? { path: '', body: Buffer.from('{}') }
    const asked = JSON.parse(body.toString()) as { model?: string; stream?: boolean }
    if (path === '/v1/messages/count_tokens') return sendJson(response, { input_tokens: 11 })
    if (path !== '/v1/messages') return void response.writeHead(404).end('{}')
    const model = asked.model ?? ''
    if (asked.stream === true) stream(response, eventsOf(script, model), script)
    else sendJson(response, { ...head(model), ...ending(script), content: blocksOf(script) })
  }
  backend.answerWith(answer)
}

function head(model: string) {
  return { id: 'msg_1', type: 'message', role: 'assistant', model }
}

function ending({ calls = [] }: AnthropicScript) {
  return {
    stop_reason: calls.length > 0 ? 'tool_use' : 'end_turn',
    stop_sequence: null,
    usage: { ...USAGE, output_tokens: OUTPUT_TOKENS },
  }
}

function blocksOf({ thinking, text, calls = [] }: AnthropicScript): readonly object[] {
  const thoughts = thinking
    ? [{ type: 'thinking', thinking: thinking.text, signature: thinking.signature }]
    : []
  return [
    ...thoughts,
    { type: 'text', text },
    ...calls.map((call) => ({ type: 'tool_use', ...call })),
  ]
}

type Event = { readonly type: string } & Readonly<Record<string, unknown>>

function eventsOf(script: AnthropicScript, model: string): readonly Event[] {
  const { thinking, text, calls = [] } = script
  const events: Event[] = [
    {
      type: 'message_start',
      message: { ...head(model), content: [], stop_reason: null, usage: USAGE },
    },
    { type: 'ping' },
  ]
  let index = 0
  const block = (empty: object, deltas: readonly object[]) => {
    events.push({ type: 'content_block_start', index, content_block: empty })
    for (const delta of deltas) events.push({ type: 'content_block_delta', index, delta })
    events.push({ type: 'content_block_stop', index })
    index++
  }
  if (thinking) {
    block({ type: 'thinking', thinking: '', signature: '' }, [
      { type: 'thinking_delta', thinking: thinking.text },
      { type: 'signature_delta', signature: thinking.signature },
    ])
  }
  block(
    { type: 'text', text: '' },
    text.split(/(?<= )/).map((part) => ({ type: 'text_delta', text: part })),
  )
  for (const { input, ...call } of calls) {
    const written = JSON.stringify(input)
    const half = Math.ceil(written.length / 2)
    const parts = ['', written.slice(0, half), written.slice(half)]
    block(
      { type: 'tool_use', ...call, input: {} },
      parts.map((part) => ({ type: 'input_json_delta', partial_json: part })),
    )
  }
  const { usage, ...delta } = ending(script)
  events.push({ type: 'message_delta', delta, usage: { output_tokens: usage.output_tokens } })
  events.push({ type: 'message_stop' })
  return events
}

function sendJson(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function stream(
  response: ServerResponse,
  events: readonly Event[],
  { cutAfter, overloadedAfter }: AnthropicScript,
): void {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  const error = { type: 'overloaded_error', message: 'Overloaded' }
  const said =
    overloadedAfter === undefined
      ? events.slice(0, cutAfter)
      : [...events.slice(0, overloadedAfter), { type: 'error', error }]
  for (const event of said) {
    response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
  }
  if (cutAfter === undefined) response.end()
  else response.socket?.destroySoon()
}
