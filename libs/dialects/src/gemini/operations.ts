import { type Operation } from '../dialect.ts'
import { addPrompt } from './prompts.ts'

type Facts = Pick<Operation, 'streams' | 'chat' | 'repeatable' | 'addPrompt'>

const ROOT = '/v1beta/models/{model}'

/**
 * `{model}` stands for what lies between; Google's clients do not encode it. Each path twice: the
 * package of Google asks for v1 of late, and backends are asked for v1beta, which has all of it.
 */
function post(name: string, verb: string, facts: Facts): readonly Operation[] {
  const path = `${ROOT}:${verb}`
  const about = { dialect: 'gemini', method: 'POST', model: 'path', ...facts } as const
  const v1 = { ...about, name: `${name}.v1`, path: `/v1/models/{model}:${verb}`, upstream: path }
  return [{ ...about, name, path }, v1]
}

export const operations: readonly Operation[] = [
  ...post('generateContent', 'generateContent', {
    ...{ streams: false, chat: true, repeatable: true, addPrompt },
  }),
  ...post('streamGenerateContent', 'streamGenerateContent', {
    ...{ streams: 'always', chat: true, repeatable: true, addPrompt },
  }),
  ...post('countTokens', 'countTokens', { streams: false, chat: false, repeatable: true }),
]
