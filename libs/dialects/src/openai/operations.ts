import { type Operation } from '../dialect.ts'
import { addInstructions, addPrompt } from './prompts.ts'
import { streamEnd } from './stream-end.ts'
import { usageSieve } from './usage-sieve.ts'

type Facts = Omit<Operation, 'name' | 'dialect' | 'method' | 'path' | 'model'>

function post(name: string, path: string, facts: Facts): Operation {
  return { name, dialect: 'openai', method: 'POST', path, model: 'body', ...facts }
}

const PLAIN: Facts = { streams: false, chat: false }
/** Nothing but the answer comes of it. */
const REPEATABLE: Facts = { ...PLAIN, repeatable: true }
const UPLOAD: Facts = { ...PLAIN, multipart: true }
const ends = (...types: string[]) => ({ streamEnd: () => streamEnd(types) })

function kept(method: Operation['method'], path: string, more: Partial<Facts> = {}): Operation {
  const name = path.slice('/v1/'.length).replace('/{id}', '.id').replace('/', '.')
  const about = { dialect: 'openai', method, path, model: 'none', ...PLAIN, owned: true } as const
  const verb = method.toLowerCase()
  return { ...about, name: `${name}.${verb}`, bodyless: method !== 'POST', ...more }
}

/** About what a backend keeps: asked there alone, by ids that say where. */
const OWNED: readonly Operation[] = [
  kept('GET', '/v1/responses/{id}'),
  kept('DELETE', '/v1/responses/{id}'),
  kept('POST', '/v1/responses/{id}/cancel', { bodyless: true }),
  kept('GET', '/v1/responses/{id}/input_items'),
  kept('POST', '/v1/files', { multipart: true }),
  kept('GET', '/v1/files', { lists: true }),
  kept('GET', '/v1/files/{id}'),
  kept('DELETE', '/v1/files/{id}'),
  kept('GET', '/v1/files/{id}/content', { owned: false }),
  kept('POST', '/v1/batches', { anyModel: true }),
  kept('GET', '/v1/batches', { lists: true }),
  kept('GET', '/v1/batches/{id}'),
  kept('POST', '/v1/batches/{id}/cancel', { bodyless: true }),
]

/** What passes through byte for byte: only `model` and `stream` of the body are looked at. */
export const operations: readonly Operation[] = [
  post('chat.completions', '/v1/chat/completions', {
    ...{ streams: true, chat: true, usageSieve, repeatable: true, addPrompt },
  }),
  post('completions', '/v1/completions', {
    ...{ streams: true, chat: false, usageSieve, repeatable: true },
  }),
  post('embeddings', '/v1/embeddings', REPEATABLE),
  post('responses', '/v1/responses', {
    ...{ streams: true, chat: false, owned: true, addPrompt: addInstructions },
    ...ends('response.completed', 'response.incomplete', 'response.failed'),
  }),
  post('moderations', '/v1/moderations', REPEATABLE),
  post('rerank', '/v1/rerank', REPEATABLE),
  // Of text-embeddings-inference, whose servers have one model and no word for it.
  post('embed_sparse', '/embed_sparse', { ...REPEATABLE, nameless: true }),
  post('images.generations', '/v1/images/generations', {
    ...PLAIN,
    ...ends('image_generation.completed'),
  }),
  post('images.edits', '/v1/images/edits', { ...UPLOAD, ...ends('image_edit.completed') }),
  post('images.variations', '/v1/images/variations', UPLOAD),
  post('audio.speech', '/v1/audio/speech', { ...PLAIN, ...ends('speech.audio.done') }),
  post('audio.transcriptions', '/v1/audio/transcriptions', {
    ...UPLOAD,
    ...ends('transcript.text.done'),
  }),
  post('audio.translations', '/v1/audio/translations', UPLOAD),
  {
    ...{ name: 'realtime', dialect: 'openai', method: 'GET', path: '/v1/realtime' },
    ...{ model: 'none', bodyless: true, websocket: true, ...PLAIN },
  },
  ...OWNED,
]
