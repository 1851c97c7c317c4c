import { dataUrl } from '../data-url.ts'
import { compact, type Fields, type Json, refuse } from '../fields.ts'
import { argumentsOf } from './write-contents.ts'

const FORMATS: Readonly<Record<string, string>> = {
  'audio/wav': 'wav',
  'audio/mp3': 'mp3',
  'audio/mpeg': 'mp3',
}

/** A call that waits for its result. Gemini's clients need not give ids: they go by name. */
interface Call {
  readonly id: string
  readonly name: string
}

/** Gemini's turns as the hub's messages. */
export function readContents(fields: Fields): readonly Json[] {
  fields.need('contents', fields.list('contents'))
  const system = fields.object('systemInstruction') ?? fields.object('system_instruction')
  const messages: Json[] = []
  if (system) {
    system.ignore(['role'])
    const parts = system.each('parts').map((part) => readPart(part))
    system.end()
    messages.push({ role: 'system', content: parts })
  }
  const waiting: Call[] = []
  let count = 0
  for (const turn of fields.each('contents')) {
    const role = turn.string('role') ?? 'user'
    const parts = turn.each('parts')
    turn.end()
    if (role === 'model') {
      const nextId = () => `call_${count++}`
      messages.push(readModel(parts, { waiting, nextId }))
    } else if (role === 'user' || role === 'function') messages.push(...readUser(parts, waiting))
    else refuse(turn.at('role'), 'is not known')
  }
  return messages
}

function readUser(parts: readonly Fields[], waiting: Call[]): readonly Json[] {
  const messages: Json[] = []
  let own: Json[] = []
  const flush = () => {
    if (own.length > 0) messages.push({ role: 'user', content: own })
    own = []
  }
  for (const part of parts) {
    const result = part.object('functionResponse')
    if (!result) {
      const read = readPart(part)
      if (read) own.push(read)
      continue
    }
    flush()
    messages.push(readResult(result, waiting))
    part.end()
  }
  flush()
  return messages
}

function readResult(result: Fields, waiting: Call[]): Json {
  const name = result.need('name', result.string('name'))
  const id = result.string('id')
  const at = waiting.findIndex((call) => (id === undefined ? call.name === name : call.id === id))
  const [call] = at < 0 ? [] : waiting.splice(at, 1)
  const response = result.json('response') ?? {}
  result.hints(['scheduling', 'willContinue'])
  result.unsupported(['parts'])
  result.end()
  return {
    role: 'tool',
    tool_call_id: call?.id ?? id ?? refuse(result.at('name'), 'answers no call'),
    ...resultText(response),
  }
}

/** `output` and `error` alone are Google's convention for a text. */
function resultText(response: Json): Json {
  const [name, ...more] = Object.keys(response)
  const text = name === undefined ? undefined : response[name]
  if (more.length === 0 && typeof text === 'string') {
    if (name === 'output') return { content: text }
    if (name === 'error') return { content: text, is_error: true }
  }
  return { content: JSON.stringify(response) }
}

interface Calls {
  readonly waiting: Call[]
  readonly nextId: () => string
}

function readModel(parts: readonly Fields[], { waiting, nextId }: Calls): Json {
  const texts: string[] = []
  const thoughts: string[] = []
  const calls: Json[] = []
  let signature: string | undefined
  for (const part of parts) {
    const isThought = part.boolean('thought') === true
    const text = part.string('text')
    const called = part.object('functionCall')
    const signed = part.string('thoughtSignature')
    if (called) {
      const name = called.need('name', called.string('name'))
      const id = called.string('id') ?? nextId()
      waiting.push({ id, name })
      calls.push(
        compact({
          id,
          type: 'function',
          function: { name, arguments: argumentsOf(called.take('args')) },
          extra_content: signed === undefined ? undefined : googleExtra(signed),
        }),
      )
      called.end()
    } else if (text !== undefined) {
      if (isThought) thoughts.push(text)
      else texts.push(text)
      signature = signed ?? signature
    } else if (signed !== undefined) signature = signed
    part.end()
  }
  return compact({
    role: 'assistant',
    content: texts.length > 0 ? texts.join('') : null,
    reasoning_content: thoughts.length > 0 ? thoughts.join('') : undefined,
    tool_calls: calls.length > 0 ? calls : undefined,
    extra_content: signature === undefined ? undefined : googleExtra(signature),
  })
}

export function googleExtra(signature: string) {
  return { google: { thought_signature: signature } }
}

function readPart(part: Fields): Json | undefined {
  const text = part.string('text')
  const inline = part.object('inlineData')
  const file = part.object('fileData')
  part.hints(['thoughtSignature', 'mediaResolution', 'partMetadata'])
  part.ignore(['thought'])
  const read = text === undefined ? readMedia(inline, file) : { type: 'text', text }
  inline?.hints(['displayName'])
  file?.hints(['displayName'])
  inline?.end()
  file?.end()
  part.end()
  return read
}

function readMedia(inline: Fields | undefined, file: Fields | undefined): Json | undefined {
  if (inline) {
    const mediaType = inline.need('mimeType', inline.string('mimeType'))
    const data = inline.need('data', inline.string('data'))
    const format = FORMATS[mediaType]
    if (format !== undefined) return { type: 'input_audio', input_audio: { data, format } }
    const url = dataUrl({ mediaType, data })
    if (mediaType.startsWith('image/')) return { type: 'image_url', image_url: { url } }
    return { type: 'file', file: { file_data: url } }
  }
  if (!file) return undefined
  const uri = file.need('fileUri', file.string('fileUri'))
  const type = file.string('mimeType')
  const isImage = type === undefined || type.startsWith('image/')
  if (isImage) return { type: 'image_url', image_url: { url: uri } }
  return { type: 'file', file: { file_url: uri } }
}
