import { isWebUrl, parseDataUrl } from '../data-url.ts'
import { compact, Fields, type Json, parsedJson, refuse } from '../fields.ts'

interface Turn {
  readonly role: 'user' | 'assistant' | 'system'
  readonly content: string | Json[]
  /** Begun by results of tools: what the user says next belongs into the same turn. */
  results: boolean
}

interface Conversation {
  readonly system: string | readonly Json[] | undefined
  readonly messages: readonly Json[]
}

const ID = /[^A-Za-z0-9_-]/g

/**
 * The hub's messages as Anthropic's turns. What the system says at the beginning is `system`; the
 * results of parallel calls, which are a message each, are one turn of the user.
 */
export function writeMessages(fields: Fields): Conversation {
  const opening: (string | readonly Json[])[] = []
  const turns: Turn[] = []
  for (const message of fields.each('messages')) {
    const role = message.string('role')
    if (role === 'system' || role === 'developer') {
      const content = writeContent(message)
      if (turns.length === 0) opening.push(content)
      else turns.push({ role: 'system', content, results: false })
    } else if (role === 'user') writeUser(message, turns)
    else if (role === 'assistant') turns.push(...writeAssistant(message))
    else if (role === 'tool') writeResult(message, turns)
    else refuse(message.at('role'), 'cannot be expressed at this backend')
    message.end()
  }
  const [only] = opening
  return {
    system: opening.length > 1 ? opening.flatMap(blocksOf) : only,
    messages: turns.map(({ role, content }) => ({ role, content })),
  }
}

function blocksOf(content: string | readonly Json[]): readonly Json[] {
  if (typeof content !== 'string') return content
  return content === '' ? [] : [{ type: 'text', text: content }]
}

function writeUser(message: Fields, turns: Turn[]): void {
  message.unsupported(['name'])
  const content = writeContent(message)
  const last = turns.at(-1)
  if (last?.results && typeof last.content !== 'string') {
    last.content.push(...blocksOf(content))
    last.results = false
  } else turns.push({ role: 'user', content, results: false })
}

function writeResult(message: Fields, turns: Turn[]): void {
  const id = message.need('tool_call_id', message.string('tool_call_id'))
  message.ignore(['name'])
  const result = compact({
    type: 'tool_result',
    tool_use_id: writeId(id),
    content: writeContent(message),
    is_error: message.boolean('is_error'),
    cache_control: message.take('cache_control'),
  })
  const last = turns.at(-1)
  if (last?.results && typeof last.content !== 'string') last.content.push(result)
  else turns.push({ role: 'user', content: [result], results: true })
}

/** Ids are letters, digits, `_` and `-` here; another's are spelt in these, always the same way. */
function writeId(id: string): string {
  return id.replace(ID, (character) => `_x${character.charCodeAt(0).toString(16)}_`)
}

/** No turn where nothing is left to say: Anthropic refuses an empty one. */
function writeAssistant(message: Fields): readonly Turn[] {
  message.unsupported(['name', 'audio', 'function_call'])
  message.hints(['extra_content', 'annotations'])
  const thoughts = message.each('thinking_blocks').flatMap(writeThought)
  // Without a signature nobody can prove that the model thought it.
  if (thoughts.length > 0) message.ignore(['reasoning_content', 'reasoning'])
  else message.hints(['reasoning_content', 'reasoning'])
  const content = message.take('content')
  const refusal = message.string('refusal')
  const text =
    content === undefined || content === ''
      ? []
      : blocksOf(writeParts(content, { path: message.at('content'), message }))
  const calls = message.each('tool_calls').map(writeCall)
  const said = refusal === undefined ? [] : [{ type: 'text', text: refusal }]
  const blocks = [...thoughts, ...text, ...said, ...calls]
  const plain = typeof content === 'string' && blocks.length === 1 && text.length === 1
  message.hints(['cache_control'])
  if (blocks.length === 0) return []
  return [{ role: 'assistant', content: plain ? content : blocks, results: false }]
}

function writeThought(block: Fields): readonly Json[] {
  const type = block.string('type')
  const signature = block.string('signature')
  if (type === 'redacted_thinking')
    return [{ type, data: block.need('data', block.string('data')) }]
  if (type !== 'thinking') refuse(block.at('type'), 'is not known')
  if (signature === undefined || signature === '') {
    block.notes.hint(block.path)
    return []
  }
  return [{ type, thinking: block.string('thinking') ?? '', signature }]
}

function writeCall(call: Fields): Json {
  if ((call.string('type') ?? 'function') !== 'function') {
    refuse(call.at('type'), 'only calls of the type "function" can be expressed')
  }
  const given = call.need('function', call.object('function'))
  const text = given.string('arguments') ?? ''
  const input = text.trim() === '' ? {} : parsedJson(text)
  if (!input) refuse(given.at('arguments'), 'must be an object of JSON')
  const written = compact({
    type: 'tool_use',
    id: writeId(call.need('id', call.string('id'))),
    name: given.need('name', given.string('name')),
    input,
    cache_control: call.take('cache_control'),
  })
  call.hints(['extra_content'])
  call.ignore(['index'])
  call.end()
  return written
}

function writeContent(message: Fields): string | Json[] {
  return writeParts(message.take('content') ?? '', { path: message.at('content'), message })
}

function writeParts(
  content: unknown,
  { path, message }: { path: string; message: Fields },
): string | Json[] {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) refuse(path, 'must be a string or a list of parts')
  return content.flatMap((part, index) => {
    const fields = new Fields(part, `${path}[${index}]`, message.notes)
    const written = writePart(fields)
    const cached = fields.take('cache_control')
    fields.hints(['prompt_cache_breakpoint'])
    fields.end()
    return written ? [cached === undefined ? written : { ...written, cache_control: cached }] : []
  })
}

function writePart(part: Fields): Json | undefined {
  const type = part.string('type')
  if (type === 'text' || type === 'refusal') {
    const text = part.need(type, part.string(type))
    return text === '' ? undefined : { type: 'text', text }
  }
  if (type === 'image_url') return writeImage(part)
  if (type === 'file') return writeFile(part)
  part.notes.unsupported(part.at('type'))
  part.ignore(['input_audio'])
  return undefined
}

function writeImage(part: Fields): Json {
  const image = part.need('image_url', part.object('image_url'))
  const url = image.need('url', image.string('url'))
  image.hints(['detail'])
  image.end()
  const inline = parseDataUrl(url)
  if (inline) {
    const { mediaType, data } = inline
    return { type: 'image', source: { type: 'base64', media_type: mediaType, data } }
  }
  if (!isWebUrl(url)) refuse(image.at('url'), 'must be an address or a data URL in base64')
  return { type: 'image', source: { type: 'url', url } }
}

function writeFile(part: Fields): Json | undefined {
  const file = part.need('file', part.object('file'))
  const title = file.string('filename')
  const url = file.string('file_url')
  const given = file.string('file_data')
  file.unsupported(['file_id'])
  file.end()
  if (url !== undefined) return compact({ type: 'document', source: { type: 'url', url }, title })
  if (given === undefined) return undefined
  const inline = parseDataUrl(given)
  if (inline?.mediaType !== 'application/pdf') {
    part.notes.unsupported(file.at('file_data'), 'only a PDF as a data URL can be expressed')
    return undefined
  }
  const source = { type: 'base64', media_type: inline.mediaType, data: inline.data }
  return compact({ type: 'document', source, title })
}
