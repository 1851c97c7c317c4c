import { type Prompt } from '@signalbox/model'
import { isJson, type Json } from '../fields.ts'
import { joined } from '../prompts.ts'

/** Google's API takes either name. */
const NAMES = ['systemInstruction', 'system_instruction']
const asPart = (text: string) => ({ text })

export function addPrompt(body: Json, prompt: Prompt): Json {
  const name = NAMES.find((one) => body[one] !== undefined) ?? 'systemInstruction'
  const own = body[name]
  const { parts = [], ...more } = isJson(own) ? own : {}
  const given = typeof own === 'string' ? [asPart(own)] : parts
  const list = Array.isArray(given) ? given : [given]
  const next = list.length === 0 ? [asPart(prompt.text)] : joined(list, prompt, asPart)
  return { ...body, [name]: { ...more, parts: next } }
}
