import { type Prompt } from '@signalbox/model'
import { isJson, type Json } from '../fields.ts'
import { joined } from '../prompts.ts'

const asPart = (text: string) => ({ type: 'text', text })
const isSystem = (message: unknown) =>
  isJson(message) && (message['role'] === 'system' || message['role'] === 'developer')

/**
 * Joined to the client's own message, since many templates of models take one at the beginning and
 * no second one.
 */
export function addPrompt(body: Json, prompt: Prompt): Json {
  const { messages } = body
  if (!Array.isArray(messages)) return body
  const alone = { role: 'system', content: prompt.text }
  if (prompt.mode === 'replace') {
    return { ...body, messages: [alone, ...messages.filter((one) => !isSystem(one))] }
  }
  const firstOther = messages.findIndex((one) => !isSystem(one))
  const leading = firstOther < 0 ? messages.length : firstOther
  if (leading === 0) return { ...body, messages: [alone, ...messages] }
  const at = prompt.mode === 'prepend' ? 0 : leading - 1
  return {
    ...body,
    messages: messages.map((message: unknown, index) =>
      index === at && isJson(message)
        ? { ...message, content: joined(message['content'], prompt, asPart) }
        : message,
    ),
  }
}

/** Of the responses API. */
export function addInstructions(body: Json, prompt: Prompt): Json {
  return { ...body, instructions: joined(body['instructions'], prompt, asPart) }
}
