import { OPERATIONS } from './kinds.ts'
import { operationAt, servedBy } from './operation-at.ts'

describe('the operation at a path', () => {
  it('is found for every one that names a model, with a query and without', () => {
    for (const operation of OPERATIONS.filter(({ model }) => model !== 'none')) {
      const path = operation.path.replace('{model}', 'a%2Fb:c')
      const model = operation.model === 'path' ? 'a/b:c' : undefined
      for (const asked of [path, `${path}?alt=sse`]) {
        const found = operationAt(asked)
        expect([found?.operation.path, found?.model]).toEqual([operation.path, model])
      }
    }
  })

  it.each([
    '',
    '/v1',
    '/v1/files',
    '/v1/files/f',
    '/v1/realtime/x',
    '/v1beta/models/:generateContent',
    '/v1beta/models/%zz:generateContent',
  ])('is none at %j', (path) => {
    expect(operationAt(path)).toBeUndefined()
  })
})

it.each([
  ['openai', '/v1/chat/completions', 'as_it_is'],
  ['anthropic', '/v1/chat/completions', 'translated'],
  ['anthropic', '/v1/embeddings', 'not'],
  ['gemini', '/v1/messages', 'translated'],
  ['ollama', '/v1/chat/completions', 'as_it_is'],
  ['ollama-native', '/v1/chat/completions', 'translated'],
  ['ollama-native', '/api/chat', 'as_it_is'],
  ['ollama-native', '/v1/embeddings', 'as_it_is'],
] as const)('%s serves %s: %s', (kind, path, how) => {
  const found = operationAt(path)
  expect(found && servedBy(kind, found.operation)).toBe(how)
})
