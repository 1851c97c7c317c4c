import { type ServerResponse } from 'node:http'
import { type MockBackend } from './mock-backend.ts'

/** What a simulated OpenAI has kept. */
export interface Kept {
  /** Paths that were asked for, with their methods. */
  readonly asked: string[]
}

/** Makes a simulated backend keep files, batches and responses, one of each, under these ids. */
export function speakKeeping(backend: MockBackend, name: string): Kept {
  const asked: string[] = []
  const file = { id: `file-${name}`, object: 'file', bytes: 3, filename: 'a', purpose: 'batch' }
  const batch = { id: `batch_${name}`, object: 'batch', status: 'in_progress' }
  const files = { input_file_id: file.id, output_file_id: `file-out-${name}`, error_file_id: null }
  const list = (data: readonly { id: string }[]) => ({
    ...{ object: 'list', data, has_more: false, first_id: data[0]?.id, last_id: data[0]?.id },
  })
  const message = {
    ...{ id: 'msg_1', type: 'message', role: 'assistant', status: 'completed' },
    content: [{ type: 'output_text', text: `of ${name}`, annotations: [] }],
  }
  const answers: Readonly<Record<string, object>> = {
    'POST /v1/files': file,
    'GET /v1/files': list([file]),
    [`GET /v1/files/${file.id}`]: file,
    [`DELETE /v1/files/${file.id}`]: { id: file.id, object: 'file', deleted: true },
    'POST /v1/batches': { ...batch, ...files },
    'GET /v1/batches': list([batch]),
    [`GET /v1/batches/${batch.id}`]: { ...batch, ...files, status: 'completed' },
    [`POST /v1/batches/${batch.id}/cancel`]: { ...batch, ...files, status: 'cancelling' },
    'POST /v1/responses': response(name, [message]),
    [`GET /v1/responses/resp_${name}`]: response(name, [message]),
    [`DELETE /v1/responses/resp_${name}`]: { id: `resp_${name}`, deleted: true },
    [`GET /v1/responses/resp_${name}/input_items`]: list([{ id: 'msg_0' }]),
  }
  backend.answerWith((request, response) => {
    const { url = '', method = '' } = request
    asked.push(`${method} ${url}`)
    const call = `${method} ${url.split('?')[0]}`
    if (call === `GET /v1/files/${file.id}/content`) {
      response.writeHead(200, { 'content-type': 'application/octet-stream' })
      return void response.end(`{"id":"${file.id}"}\n`)
    }
    const answer = answers[call]
    if (!answer) return void response.writeHead(404).end('{"error":{"message":"no such thing"}}')
    const body = backend.requests.at(-1)?.body.toString('latin1') ?? ''
    if (body.includes('"stream":true')) return streamed(response, name, answer)
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
  return { asked }
}

function response(name: string, output: readonly object[]) {
  const about = { object: 'response', created_at: 1, model: 'm1', status: 'completed' }
  return { id: `resp_${name}`, ...about, previous_response_id: null, output, metadata: {} }
}

function streamed(answer: ServerResponse, name: string, whole: object): void {
  answer.writeHead(200, { 'content-type': 'text/event-stream' })
  const event = (type: string, about: object) =>
    `event: ${type}\ndata: ${JSON.stringify({ type, response: about, sequence_number: 0 })}\n\n`
  answer.write(event('response.created', response(name, [])))
  // Cut inside of the id.
  const last = event('response.completed', whole)
  const at = last.indexOf('resp_') + 3
  answer.write(last.slice(0, at), () => answer.end(last.slice(at)))
}
