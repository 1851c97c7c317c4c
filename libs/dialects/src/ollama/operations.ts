import { type Operation } from '../dialect.ts'
import { chat } from './codec.ts'
import { generate } from './generate.ts'
import { addPrompt, addSystem } from './prompts.ts'

type Facts = Omit<Operation, 'name' | 'dialect' | 'method' | 'path' | 'model'>

function post(name: string, facts: Facts): Operation {
  const path = `/api/${name}`
  return {
    name: `ollama.${name}`,
    dialect: 'ollama',
    method: 'POST',
    path,
    model: 'body',
    ...facts,
  }
}

const PLAIN: Facts = { streams: false, chat: false, repeatable: true }
const CHAT: Facts = { streams: 'by default', chat: true, repeatable: true }

export const operations: readonly Operation[] = [
  post('chat', { ...CHAT, codec: chat, addPrompt }),
  post('generate', { ...CHAT, codec: generate, addPrompt: addSystem }),
  post('embed', PLAIN),
  post('embeddings', PLAIN),
  post('show', PLAIN),
]
