import { type Operation } from '../dialect.ts'

type Facts = Pick<Operation, 'streams' | 'chat'>

/** `{model}` stands for one segment, which Google's clients do not encode. */
function post(name: string, verb: string, facts: Facts): Operation {
  const path = `/v1beta/models/{model}:${verb}`
  return { name, dialect: 'gemini', method: 'POST', path, model: 'path', ...facts }
}

export const operations: readonly Operation[] = [
  post('generateContent', 'generateContent', { streams: false, chat: true }),
  post('streamGenerateContent', 'streamGenerateContent', { streams: 'always', chat: true }),
  post('countTokens', 'countTokens', { streams: false, chat: false }),
]
