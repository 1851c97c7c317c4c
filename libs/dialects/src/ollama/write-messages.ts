import { parseDataUrl } from '../data-url.ts'
import { compact, Fields, type Json, parsedJson, refuse } from '../fields.ts'

/** The hub's messages as Ollama's: one text each, and images beside it. */
export function writeMessages(fields: Fields): readonly Json[] {
  fields.need('messages', fields.list('messages'))
  const names = new Map<string, string>()
  return fields.each('messages').flatMap((message) => {
    const role = message.string('role')
    message.hints(['cache_control'])
    const write = (): Json | undefined => {
      if (role === 'system' || role === 'developer') return writeSystem(message)
      if (role === 'user') return writeUser(message)
      if (role === 'assistant') return writeAssistant(message, names)
      if (role === 'tool') return writeResult(message, names)
      return refuse(message.at('role'), 'cannot be expressed at this backend')
    }
    const written = write()
    message.end()
    return written ? [written] : []
  })
}

function writeSystem(message: Fields): Json {
  message.unsupported(['name'])
  return { role: 'system', content: textOf(message, '\n') }
}

function writeUser(message: Fields): Json {
  message.unsupported(['name'])
  const { texts, images } = partsOf(message)
  const content = texts.join('\n')
  return images.length > 0 ? { role: 'user', content, images } : { role: 'user', content }
}

/** No turn where nothing is left to say. */
function writeAssistant(message: Fields, names: Map<string, string>): Json | undefined {
  message.unsupported(['audio', 'function_call', 'name'])
  message.hints(['thinking_blocks', 'annotations', 'extra_content'])
  const thinking = message.string('reasoning_content') ?? message.string('reasoning')
  message.ignore(['reasoning'])
  const content = textOf(message, '') + (message.string('refusal') ?? '')
  const calls = message.each('tool_calls').map((call) => writeCall(call, names))
  if (content === '' && !thinking && calls.length === 0) return undefined
  return compact({
    role: 'assistant',
    content,
    thinking: thinking || undefined,
    tool_calls: calls.length > 0 ? calls : undefined,
  })
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
  call.hints(['cache_control', 'extra_content'])
  call.ignore(['index'])
  call.end()
  return { id, function: { name, arguments: args } }
}

function writeResult(message: Fields, names: ReadonlyMap<string, string>): Json {
  const id = message.need('tool_call_id', message.string('tool_call_id'))
  message.hints(['is_error'])
  message.ignore(['name'])
  const content = textOf(message, '')
  return compact({ role: 'tool', content, tool_name: names.get(id), tool_call_id: id })
}

/** Of a message that can only be text. */
function textOf(message: Fields, between: string): string {
  const { texts, images } = partsOf(message)
  if (images.length > 0) {
    message.notes.unsupported(message.at('content'), 'can only be text here')
  }
  return texts.join(between)
}

interface Parts {
  readonly texts: string[]
  /** Base64. */
  readonly images: string[]
}

function partsOf(message: Fields): Parts {
  const parts: Parts = { texts: [], images: [] }
  const content = message.take('content')
  if (content === undefined) return parts
  if (typeof content === 'string') return { ...parts, texts: [content] }
  if (!Array.isArray(content)) refuse(message.at('content'), 'must be a string or a list of parts')
  content.forEach((part, index) => {
    const fields = new Fields(part, `${message.at('content')}[${index}]`, message.notes)
    fields.hints(['cache_control', 'prompt_cache_breakpoint'])
    takePart(fields, parts)
    fields.end()
  })
  return parts
}

function takePart(part: Fields, { texts, images }: Parts): void {
  const type = part.string('type')
  if (type === 'text' || type === 'refusal') {
    texts.push(part.need(type, part.string(type)))
  } else if (type === 'image_url') {
    const image = part.need('image_url', part.object('image_url'))
    const url = image.need('url', image.string('url'))
    image.hints(['detail'])
    image.end()
    const inline = parseDataUrl(url)
    if (inline) images.push(inline.data)
    else part.notes.unsupported(image.at('url'), 'must be a data URL in base64 at this backend')
  } else {
    part.ignoreRest()
    part.notes.unsupported(part.at('type'))
  }
}
