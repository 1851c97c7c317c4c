import { type Operation } from '../dialect.ts'
import { usageSieve } from './usage-sieve.ts'

type Facts = Pick<Operation, 'streams' | 'chat' | 'usageSieve'>

function post(name: string, path: string, facts: Facts): Operation {
  return { name, dialect: 'openai', method: 'POST', path, model: 'body', ...facts }
}

/** What passes through byte for byte: only `model` and `stream` of the body are looked at. */
export const operations: readonly Operation[] = [
  post('chat.completions', '/v1/chat/completions', { streams: true, chat: true, usageSieve }),
  post('completions', '/v1/completions', { streams: true, chat: false, usageSieve }),
  post('embeddings', '/v1/embeddings', { streams: false, chat: false }),
]
