import { type GoogleExtra } from '../chat.ts'
import { dataUrl } from '../data-url.ts'
import { compact, Fields, type Json, refuse } from '../fields.ts'
import { extraIn } from './google-signatures.ts'

/** What the system says at the beginning, as a message. */
export function readSystem(fields: Fields): readonly Json[] {
  const system = fields.take('system')
  if (system === undefined) return []
  return [{ role: 'system', content: readParts(system, fields, 'system') }]
}

/** Anthropic's turns as the hub's messages: a result of a tool is a message of its own. */
export function readMessages(fields: Fields): readonly Json[] {
  fields.need('messages', fields.list('messages'))
  return fields.each('messages').flatMap((message) => {
    const role = message.string('role')
    const content = message.take('content')
    message.end()
    if (role === 'user') return readUser(content, message)
    if (role === 'assistant') return [readAssistant(content, message)]
    if (role === 'system') return [{ role, content: readParts(content, message, 'content') }]
    return refuse(message.at('role'), 'is not known')
  })
}

function blocksOf(content: unknown, message: Fields, name: string): readonly Fields[] {
  if (!Array.isArray(content)) refuse(message.at(name), 'must be a string or a list of blocks')
  return content.map(
    (block, index) => new Fields(block, `${message.at(name)}[${index}]`, message.notes),
  )
}

function readUser(content: unknown, message: Fields): readonly Json[] {
  if (typeof content === 'string') return [{ role: 'user', content }]
  const messages: Json[] = []
  let parts: Json[] = []
  const flush = () => {
    if (parts.length > 0) messages.push({ role: 'user', content: parts })
    parts = []
  }
  for (const block of blocksOf(content, message, 'content')) {
    const type = block.string('type')
    if (type === 'tool_result') {
      flush()
      messages.push(readResult(block))
    } else {
      const part = readPart(block, type)
      if (part) parts.push(part)
    }
  }
  flush()
  return messages.length > 0 ? messages : [{ role: 'user', content: '' }]
}

function readResult(block: Fields): Json {
  const content = block.take('content')
  const written = compact({
    role: 'tool',
    tool_call_id: block.need('tool_use_id', block.string('tool_use_id')),
    content: content === undefined ? '' : readParts(content, block, 'content'),
    is_error: block.boolean('is_error'),
    cache_control: block.take('cache_control'),
  })
  block.end()
  return written
}

function readParts(content: unknown, fields: Fields, name: string): string | readonly Json[] {
  if (typeof content === 'string') return content
  return blocksOf(content, fields, name).flatMap((block) => {
    const part = readPart(block, block.string('type'))
    return part ? [part] : []
  })
}

function readPart(block: Fields, type: string | undefined): Json | undefined {
  const cached = block.take('cache_control')
  const part = readPartAs(block, type)
  block.end()
  return part && (cached === undefined ? part : { ...part, cache_control: cached })
}

function readPartAs(block: Fields, type: string | undefined): Json | undefined {
  if (type === 'text') {
    block.hints(['citations'])
    return { type, text: block.need('text', block.string('text')) }
  }
  if (type === 'image') return readImage(block)
  if (type === 'document') return readDocument(block)
  block.notes.unsupported(block.at('type'), `a block of the type ${type} cannot be expressed`)
  block.ignoreRest()
  return undefined
}

function readImage(block: Fields): Json | undefined {
  const source = block.need('source', block.object('source'))
  const url = readSource(source, source.string('type'))
  block.unsupported(['transformations'])
  source.end()
  return url === undefined ? undefined : { type: 'image_url', image_url: { url } }
}

function readDocument(block: Fields): Json | undefined {
  const source = block.need('source', block.object('source'))
  const type = source.string('type')
  const title = block.string('title')
  const context = block.string('context')
  block.unsupported(['citations'], (value) => (value as Json)['enabled'] !== true)
  if (type === 'text') {
    const text = source.need('data', source.string('data'))
    source.ignore(['media_type'])
    source.end()
    const heading = [title, context].filter((one) => one !== undefined).map((one) => `${one}\n`)
    return { type: 'text', text: `${heading.join('')}${text}` }
  }
  if (context !== undefined) block.notes.unsupported(block.at('context'))
  const url = readSource(source, type)
  source.end()
  if (url === undefined) return undefined
  const file = type === 'url' ? { file_url: url } : { file_data: url }
  return { type: 'file', file: compact({ ...file, filename: title }) }
}

/** As a URL: of the web, or one that holds the data. */
function readSource(source: Fields, type: string | undefined): string | undefined {
  if (type === 'url') return source.need('url', source.string('url'))
  if (type === 'base64') {
    const mediaType = source.need('media_type', source.string('media_type'))
    return dataUrl({ mediaType, data: source.need('data', source.string('data')) })
  }
  source.notes.unsupported(source.at('type'))
  source.ignoreRest()
  return undefined
}

function readAssistant(content: unknown, message: Fields): Json {
  if (typeof content === 'string') return { role: 'assistant', content }
  const texts: string[] = []
  const thoughts: Json[] = []
  const calls: Json[] = []
  let textExtra: GoogleExtra | undefined
  let callExtra: GoogleExtra | undefined
  for (const block of blocksOf(content, message, 'content')) {
    const type = block.string('type')
    const cached = block.take('cache_control')
    if (cached !== undefined) block.notes.hint(block.at('cache_control'))
    if (type === 'text') {
      block.hints(['citations'])
      texts.push(block.need('text', block.string('text')))
    } else if (type === 'thinking' || type === 'redacted_thinking') {
      const thought: Json = { type, ...block.rest() }
      const ofText = extraIn('text', thought['signature'])
      const ofCall = extraIn('call', thought['signature'])
      textExtra = ofText ?? textExtra
      callExtra = ofCall ?? callExtra
      // Of a thought that holds a signature of Google's only the text, if any, is a thought.
      if (!ofText && !ofCall) thoughts.push(thought)
      else if (thought['thinking']) thoughts.push({ type, thinking: thought['thinking'] })
      block.ignore(['thinking', 'signature', 'data'])
    } else if (type === 'tool_use') {
      calls.push(compact({ ...readCall(block), extra_content: callExtra }))
      callExtra = undefined
    } else {
      block.notes.unsupported(block.at('type'), `a block of the type ${type} cannot be expressed`)
      block.ignoreRest()
    }
    block.end()
  }
  const text = thoughts.map((one) => one['thinking']).filter((one) => typeof one === 'string')
  return compact({
    role: 'assistant',
    content: texts.length > 0 ? texts.join('') : null,
    reasoning_content: text.length > 0 ? text.join('') : undefined,
    thinking_blocks: thoughts.length > 0 ? thoughts : undefined,
    tool_calls: calls.length > 0 ? calls : undefined,
    extra_content: textExtra,
  })
}

function readCall(block: Fields): Json {
  block.hints(['caller'])
  const input = block.take('input') ?? {}
  return {
    id: block.need('id', block.string('id')),
    type: 'function',
    function: {
      name: block.need('name', block.string('name')),
      arguments: JSON.stringify(input),
    },
  }
}
