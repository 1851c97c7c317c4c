import { type Prompt } from '@signalbox/model'
import { type Json } from '../fields.ts'
import { joined } from '../prompts.ts'

export { addPrompt } from '../openai/prompts.ts'

/** Of `/api/generate`. */
export function addSystem(body: Json, prompt: Prompt): Json {
  return { ...body, system: joined(body['system'], prompt, (text) => ({ text })) }
}
