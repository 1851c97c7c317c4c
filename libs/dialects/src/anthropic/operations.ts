import { type Operation } from '../dialect.ts'
import { addPrompt } from './prompts.ts'

type Facts = Pick<Operation, 'streams' | 'chat' | 'repeatable' | 'addPrompt'>

function post(name: string, path: string, facts: Facts): Operation {
  return { name, dialect: 'anthropic', method: 'POST', path, model: 'body', ...facts }
}

const MESSAGES: Facts = { streams: true, chat: true, repeatable: true, addPrompt }
const COUNT: Facts = { streams: false, chat: false, repeatable: true, addPrompt }

/** Each twice: some clients are given `/anthropic` as the base. Backends know the first form. */
export const operations: readonly Operation[] = [
  post('messages', '/v1/messages', MESSAGES),
  post('messages.count_tokens', '/v1/messages/count_tokens', COUNT),
  { ...post('messages.prefixed', '/anthropic/v1/messages', MESSAGES), upstream: '/v1/messages' },
  {
    ...post('messages.count_tokens.prefixed', '/anthropic/v1/messages/count_tokens', COUNT),
    upstream: '/v1/messages/count_tokens',
  },
]
