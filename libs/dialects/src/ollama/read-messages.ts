import { dataUrl } from '../data-url.ts'
import { compact, type Fields, isJson, type Json, refuse } from '../fields.ts'

/** How the bytes of an image begin, in base64: Ollama's clients do not say what it is. */
const TYPES: readonly (readonly [begins: string, mediaType: string])[] = [
  ['/9j/', 'image/jpeg'],
  ['R0lGOD', 'image/gif'],
  ['UklGR', 'image/webp'],
]
const USUAL_TYPE = 'image/png'

/** A call that waits for its result. Older clients give no ids: they go by name, or by order. */
interface Call {
  readonly id: string
  readonly name: string
}

/** Ollama's messages as the hub's. */
export function readMessages(fields: Fields): readonly Json[] {
  fields.need('messages', fields.list('messages'))
  const waiting: Call[] = []
  let count = 0
  const nextId = () => `call_${count++}`
  return fields.each('messages').map((message) => {
    const role = message.string('role')
    const content = message.string('content') ?? ''
    const read = (): Json => {
      if (role === 'system') return { role, content }
      if (role === 'user') return { role, content: withImages(message, content) }
      if (role === 'assistant') return readAssistant(message, { content, waiting, nextId })
      if (role === 'tool') return readResult(message, { content, waiting })
      return refuse(message.at('role'), 'is not known')
    }
    const written = read()
    message.end()
    return written
  })
}

/** A text, or where there are images, parts: the text comes first. */
export function withImages(fields: Fields, content: string): unknown {
  const images = fields.list('images') ?? []
  if (images.length === 0) return content
  const parts = images.map((data, index) => {
    if (typeof data !== 'string') refuse(`${fields.at('images')}[${index}]`, 'must be a string')
    const mediaType = TYPES.find(([begins]) => data.startsWith(begins))?.[1] ?? USUAL_TYPE
    return { type: 'image_url', image_url: { url: dataUrl({ mediaType, data }) } }
  })
  return content === '' ? parts : [{ type: 'text', text: content }, ...parts]
}

interface Calling {
  readonly content: string
  readonly waiting: Call[]
  readonly nextId: () => string
}

function readAssistant(message: Fields, { content, waiting, nextId }: Calling): Json {
  const thinking = message.string('thinking')
  const calls = message.each('tool_calls').map((call) => {
    const given = call.need('function', call.object('function'))
    const name = given.need('name', given.string('name'))
    const id = call.string('id') || nextId()
    waiting.push({ id, name })
    const written = { name, arguments: argumentsOf(given.take('arguments')) }
    call.ignore(['type'])
    given.ignore(['index'])
    given.end()
    call.end()
    return { id, type: 'function', function: written }
  })
  return compact({
    role: 'assistant',
    content: content === '' && calls.length > 0 ? null : content,
    reasoning_content: thinking || undefined,
    tool_calls: calls.length > 0 ? calls : undefined,
  })
}

function readResult(message: Fields, { content, waiting }: Omit<Calling, 'nextId'>): Json {
  const id = message.string('tool_call_id')
  const name = message.string('tool_name') ?? message.string('name')
  message.ignore(['name'])
  const isMeant = (call: Call) =>
    id === undefined ? name === undefined || call.name === name : call.id === id
  const at = waiting.findIndex(isMeant)
  const [call] = at < 0 ? [] : waiting.splice(at, 1)
  const answered = call?.id ?? id ?? refuse(message.at('tool_name'), 'answers no call')
  return { role: 'tool', tool_call_id: answered, content }
}

/** The arguments of a call, however they are given. */
export function argumentsOf(args: unknown): string {
  return typeof args === 'string' ? args : JSON.stringify(isJson(args) ? args : {})
}
