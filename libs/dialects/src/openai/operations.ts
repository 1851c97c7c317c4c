import { type Operation } from '../dialect.ts'

function post(name: string, path: string, streams: boolean): Operation {
  return { name, method: 'POST', path, model: 'body', streams }
}

/** What passes through byte for byte: only `model` and `stream` of the body are looked at. */
export const operations: readonly Operation[] = [
  post('chat.completions', '/v1/chat/completions', true),
  post('completions', '/v1/completions', true),
  post('embeddings', '/v1/embeddings', false),
]
