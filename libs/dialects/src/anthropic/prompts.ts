import { type Prompt } from '@signalbox/model'
import { type Json } from '../fields.ts'
import { joined } from '../prompts.ts'

export function addPrompt(body: Json, prompt: Prompt): Json {
  return { ...body, system: joined(body['system'], prompt, (text) => ({ type: 'text', text })) }
}
