import { type ServerResponse } from 'node:http'
import { type MockBackend } from './mock-backend.ts'

/** What a simulated OpenAI says on the paths beside chat. Written from the public API's shapes. */
export const SOUND = Buffer.from([0x49, 0x44, 0x33, 0x00, 0xff, 0xfe, 0x0a, 0x0d, 0x0a])
const USAGE = {
  input_tokens: 9,
  input_tokens_details: { cached_tokens: 2 },
  output_tokens: 4,
  output_tokens_details: { reasoning_tokens: 1 },
  total_tokens: 13,
}

/** Makes a simulated backend answer responses, moderations, ranks, images and sound. */
export function speakPassing(backend: MockBackend, text: string): void {
  backend.answerWith((_request, response) => {
    const { path = '', body } = backend.requests.at(-1) ?? {}
    const answer = ANSWERS[path.split('?')[0] ?? '']
    if (!answer) return void response.writeHead(404).end('{"error":{"message":"no such path"}}')
    answer(response, { text, asked: body?.toString('latin1') ?? '' })
  })
}

interface Said {
  readonly text: string
  readonly asked: string
}

const image = { created: 1, data: [{ b64_json: 'AAAA' }], usage: USAGE }
const transcript = (response: ServerResponse, { text }: Said) => sendJson(response, { text })

const ANSWERS: Readonly<Record<string, (response: ServerResponse, said: Said) => void>> = {
  '/v1/responses': respond,
  '/v1/moderations': (response) =>
    sendJson(response, { id: 'modr-1', model: 'm', results: [{ flagged: false }] }),
  '/v1/rerank': (response) =>
    sendJson(response, {
      model: 'm',
      results: [{ index: 1, relevance_score: 0.9 }],
      usage: { total_tokens: 7 },
    }),
  '/embed_sparse': (response) => sendJson(response, [[{ index: 3, value: 0.5 }]]),
  '/v1/images/generations': (response) => sendJson(response, image),
  '/v1/images/edits': (response) => sendJson(response, image),
  '/v1/images/variations': (response) => sendJson(response, image),
  '/v1/audio/transcriptions': transcript,
  '/v1/audio/translations': transcript,
  '/v1/audio/speech': (response) => {
    response.writeHead(200, { 'content-type': 'audio/mpeg' })
    response.end(SOUND)
  },
}

function sendJson(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

function respond(response: ServerResponse, { text, asked }: Said): void {
  const { model, stream } = JSON.parse(asked) as { model: string; stream?: boolean }
  const content = [{ type: 'output_text', text, annotations: [] }]
  const message = { id: 'msg_1', type: 'message', role: 'assistant', status: 'completed', content }
  const begun = { id: 'resp_1', object: 'response', created_at: 1, model, output: [] }
  const whole = { ...begun, status: 'completed', output: [message], usage: USAGE, metadata: {} }
  if (!stream) return sendJson(response, whole)
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const event = (type: string, more: object, n: number) =>
    response.write(
      `event: ${type}\ndata: ${JSON.stringify({ type, ...more, sequence_number: n })}\n\n`,
    )
  const place = { item_id: 'msg_1', output_index: 0, content_index: 0 }
  const part = { type: 'output_text', text: '', annotations: [] }
  event('response.created', { response: { ...begun, status: 'in_progress' } }, 0)
  const item = { ...message, status: 'in_progress', content: [] }
  event('response.output_item.added', { output_index: 0, item }, 1)
  event('response.content_part.added', { ...place, part }, 2)
  text.split(/(?<= )/).forEach((delta, index) => {
    event('response.output_text.delta', { ...place, delta }, 3 + index)
  })
  event('response.output_item.done', { output_index: 0, item: message }, 20)
  event('response.completed', { response: whole }, 21)
  response.end()
}
