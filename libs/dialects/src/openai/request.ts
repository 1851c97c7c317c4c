import { type Result } from '@signalbox/model'
import { type ChatRequest } from '../chat.ts'
import { type Call, type ReadRequest, type WrittenRequest } from '../codec.ts'
import {
  Fields,
  isJson,
  type Json,
  type Leniency,
  Notes,
  type Problem,
  refuse,
  translating,
} from '../fields.ts'

const ROLES: readonly unknown[] = ['system', 'developer', 'user', 'assistant', 'tool', 'function']
/** OpenAI's limit of `user`; clients of Anthropic write longer ones. */
const USER_CHARACTERS_MAX = 64
/** Members of a message that speak to other dialects alone: they change nothing in what is said. */
const MESSAGE_HINTS = ['thinking_blocks', 'reasoning_content', 'extra_content', 'cache_control']

/** The hub is this dialect: only what every writer leans on is looked at. */
export function readRequest(body: unknown, call: Call): Result<ReadRequest, Problem> {
  return translating(() => {
    const fields = new Fields(body, '', new Notes(call))
    const model = fields.need('model', fields.string('model'))
    const messages = fields.need('messages', fields.list('messages'))
    messages.forEach((message, index) => {
      if (!isJson(message)) refuse(`messages[${index}]`, 'must be an object')
      if (!ROLES.includes(message['role'])) refuse(`messages[${index}].role`, 'is not known')
    })
    return { chat: { ...(body as Json), model, messages }, dropped: [] }
  })
}

/** As it is, without the members that only other dialects have. */
export function writeRequest(
  chat: ChatRequest,
  leniency: Leniency,
): Result<WrittenRequest, Problem> {
  return translating(() => {
    const notes = new Notes(leniency)
    const fields = new Fields(chat, '', notes)
    const { thinking, top_k: topK, cache_control: _cached, ...said } = chat
    fields.hints(['cache_control'])
    const rest = without(said, unspeakable(chat))
    if (thinking !== undefined && rest['reasoning_effort'] === undefined) notes.hint('thinking')
    if (said['user'] !== rest['user']) notes.hint('user')
    if (topK !== undefined) notes.unsupported('top_k')
    const tools = fields.each('tools').map((tool, index) => {
      tool.hints(['cache_control'])
      return without((chat['tools'] as readonly Json[])[index] ?? {}, ['cache_control'])
    })
    const messages = fields
      .each('messages')
      .map((message, index) => writeMessage(message, chat.messages[index] as Json))
    const body = { ...rest, messages, ...(tools.length > 0 ? { tools } : {}) }
    return { path: '/v1/chat/completions', body, dropped: notes.dropped }
  })
}

/**
 * Members that are no one's wish, or too long. Not to think is no effort here: most models refuse
 * `none`, and many that take it do not think anyway.
 */
function unspeakable({ thinking, reasoning_effort: effort, user }: ChatRequest): readonly string[] {
  const isOff = isJson(thinking) && thinking['type'] === 'disabled' && effort === 'none'
  const isLong = typeof user === 'string' && user.length > USER_CHARACTERS_MAX
  return [...(isOff ? ['reasoning_effort'] : []), ...(isLong ? ['user'] : [])]
}

function writeMessage(fields: Fields, message: Json): Json {
  fields.hints([...MESSAGE_HINTS, 'is_error'])
  const out: Record<string, unknown> = without(message, [...MESSAGE_HINTS, 'is_error'])
  if (Array.isArray(message['content'])) {
    out['content'] = fields
      .each('content')
      .map((part, index) => ({ part, raw: (message['content'] as readonly Json[])[index] ?? {} }))
      .filter(({ part, raw }) => isExpressible(part, { raw, role: message['role'] }))
      .map(({ part, raw }) => {
        part.hints(['cache_control'])
        return without(raw, ['cache_control'])
      })
  }
  if (Array.isArray(message['tool_calls'])) {
    out['tool_calls'] = fields.each('tool_calls').map((call, index) => {
      call.hints(['extra_content', 'cache_control'])
      const raw = (message['tool_calls'] as readonly Json[])[index] ?? {}
      return without(raw, ['extra_content', 'cache_control'])
    })
  }
  return out
}

/** A document by its address, and anything but text in a tool's result, are beyond this API. */
function isExpressible(part: Fields, { raw, role }: { raw: Json; role: unknown }): boolean {
  const file = raw['file']
  if (isJson(file) && file['file_url'] !== undefined) {
    part.notes.unsupported(part.at('file.file_url'))
    return false
  }
  if (role === 'tool' && raw['type'] !== 'text') {
    part.notes.unsupported(part.at('type'), `a tool's result can only be text at this backend`)
    return false
  }
  return true
}

function without(value: Json, names: readonly string[]): Json {
  if (!names.some((name) => Object.hasOwn(value, name))) return value
  return Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name)))
}
