import { isWebUrl, parseDataUrl } from '../data-url.ts'
import {
  compact,
  Fields,
  isJson,
  type Json,
  jsonIn,
  parsedJson,
  refuse,
  stringIn,
} from '../fields.ts'

interface Turn {
  readonly role: 'user' | 'model'
  readonly parts: Json[]
  results: boolean
}

interface Conversation {
  readonly systemInstruction: Json | undefined
  readonly contents: readonly Json[]
}

const AUDIO_TYPES: Readonly<Record<string, string>> = { wav: 'audio/wav', mp3: 'audio/mp3' }

/** The hub's messages as Gemini's turns. A result names the function, which its call tells. */
export function writeContents(fields: Fields): Conversation {
  const system: Json[] = []
  const turns: Turn[] = []
  const names = new Map<string, string>()
  for (const message of fields.each('messages')) {
    const role = message.string('role')
    message.hints(['cache_control'])
    if (role === 'system' || role === 'developer') {
      // Gemini has one instruction, before everything: a later one would move to the front.
      if (turns.length > 0) message.notes.unsupported(message.path, 'must come first here')
      system.push(...writeParts(message))
    } else if (role === 'user') {
      message.unsupported(['name'])
      const parts = writeParts(message)
      const last = turns.at(-1)
      if (last?.results) last.parts.push(...parts)
      else turns.push({ role, parts, results: false })
      if (last) last.results = false
    } else if (role === 'assistant') turns.push(...writeAssistant(message, names))
    else if (role === 'tool') writeResult(message, { turns, names })
    else refuse(message.at('role'), 'cannot be expressed at this backend')
    message.end()
  }
  return {
    systemInstruction: system.length > 0 ? { parts: system } : undefined,
    contents: turns.map(({ role, parts }) => ({ role, parts })),
  }
}

function signatureIn(fields: Fields): string | undefined {
  return stringIn(jsonIn(fields.take('extra_content'), 'google'), 'thought_signature')
}

/** No turn where nothing is left to say: Gemini refuses an empty one. */
function writeAssistant(message: Fields, names: Map<string, string>): readonly Turn[] {
  message.unsupported(['name', 'audio', 'function_call'])
  message.hints(['reasoning_content', 'reasoning', 'thinking_blocks', 'annotations'])
  const signature = signatureIn(message)
  const parts = writeParts(message)
  const refusal = message.string('refusal')
  if (refusal !== undefined) parts.push({ text: refusal })
  const last = parts.at(-1)
  if (signature !== undefined && last) {
    parts[parts.length - 1] = { ...last, thoughtSignature: signature }
  }
  const calls = message.each('tool_calls').map((call) => writeCall(call, names))
  if (parts.length + calls.length === 0) return []
  return [{ role: 'model', parts: [...parts, ...calls], results: false }]
}

function writeCall(call: Fields, names: Map<string, string>): Json {
  if ((call.string('type') ?? 'function') !== 'function') {
    refuse(call.at('type'), 'only calls of the type "function" can be expressed')
  }
  const id = call.need('id', call.string('id'))
  const given = call.need('function', call.object('function'))
  const name = given.need('name', given.string('name'))
  const text = given.string('arguments') ?? ''
  const args = text.trim() === '' ? {} : parsedJson(text)
  if (!args) refuse(given.at('arguments'), 'must be an object of JSON')
  names.set(id, name)
  call.hints(['cache_control'])
  call.ignore(['index'])
  const thoughtSignature = signatureIn(call)
  call.end()
  return compact({ functionCall: { id, name, args }, thoughtSignature })
}

function writeResult(
  message: Fields,
  { turns, names }: { turns: Turn[]; names: ReadonlyMap<string, string> },
): void {
  const id = message.need('tool_call_id', message.string('tool_call_id'))
  const name = names.get(id)
  message.ignore(['name'])
  if (name === undefined) refuse(message.at('tool_call_id'), 'names no call of this conversation')
  const failed = message.boolean('is_error') === true
  const parts = writeParts(message)
  const texts = parts.map((part) => part['text']).filter((text) => typeof text === 'string')
  if (texts.length < parts.length) {
    message.notes.unsupported(message.at('content'), `a tool's result can only be text here`)
  }
  const response = { [failed ? 'error' : 'output']: texts.join('') }
  const part = { functionResponse: { id, name, response } }
  const last = turns.at(-1)
  if (last?.results) last.parts.push(part)
  else turns.push({ role: 'user', parts: [part], results: true })
}

function writeParts(message: Fields): Json[] {
  const content = message.take('content')
  if (content === undefined || content === '') return []
  if (typeof content === 'string') return [{ text: content }]
  if (!Array.isArray(content)) refuse(message.at('content'), 'must be a string or a list of parts')
  return content.flatMap((part, index) => {
    const fields = new Fields(part, `${message.at('content')}[${index}]`, message.notes)
    fields.hints(['cache_control', 'prompt_cache_breakpoint'])
    const written = writePart(fields)
    fields.end()
    return written ? [written] : []
  })
}

function writePart(part: Fields): Json | undefined {
  const type = part.string('type')
  if (type === 'text' || type === 'refusal') return { text: part.need(type, part.string(type)) }
  if (type === 'image_url') {
    const image = part.need('image_url', part.object('image_url'))
    image.hints(['detail'])
    return writeUrl(image, 'url')
  }
  if (type === 'file') {
    const file = part.need('file', part.object('file'))
    file.hints(['filename'])
    file.unsupported(['file_id'])
    const name = file.rest()['file_url'] === undefined ? 'file_data' : 'file_url'
    return writeUrl(file, name)
  }
  if (type === 'input_audio') {
    const audio = part.need('input_audio', part.object('input_audio'))
    const format = audio.string('format') ?? ''
    const mimeType = AUDIO_TYPES[format] ?? refuse(audio.at('format'), 'is not known')
    return { inlineData: { mimeType, data: audio.need('data', audio.string('data')) } }
  }
  part.notes.unsupported(part.at('type'))
  return undefined
}

function writeUrl(fields: Fields, name: string): Json | undefined {
  const url = fields.string(name)
  fields.end()
  if (url === undefined) return undefined
  const inline = parseDataUrl(url)
  if (inline) return { inlineData: { mimeType: inline.mediaType, data: inline.data } }
  if (!isWebUrl(url)) refuse(fields.at(name), 'must be an address or a data URL in base64')
  return { fileData: { fileUri: url } }
}

/** The arguments of a call, however they are given. */
export function argumentsOf(args: unknown): string {
  return JSON.stringify(isJson(args) ? args : {})
}
