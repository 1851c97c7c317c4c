import { type Result } from '@signalbox/model'
import { type ChatRequest } from '../chat.ts'
import { type WrittenRequest } from '../codec.ts'
import { type Effort, effortOf, isEffort } from '../efforts.ts'
import {
  compact,
  Fields,
  isNothing,
  type Json,
  type Leniency,
  Notes,
  type Problem,
  refuse,
  translating,
} from '../fields.ts'
import { writeMessages } from './write-messages.ts'

export { readRequest } from './read-request.ts'

/** The hub's request as a body for /api/chat. */
export function writeRequest(
  chat: ChatRequest,
  leniency: Leniency,
): Result<WrittenRequest, Problem> {
  return translating(() => {
    const notes = new Notes(leniency)
    const fields = new Fields(chat, '', notes)
    const tools = writeTools(fields)
    const options = writeOptions(fields)
    const body = compact({
      model: fields.need('model', fields.string('model')),
      messages: writeMessages(fields),
      stream: fields.boolean('stream') === true,
      tools: tools.length > 0 ? tools : undefined,
      format: writeFormat(fields),
      think: writeThink(fields),
      options: Object.keys(options).length > 0 ? options : undefined,
      logprobs: fields.boolean('logprobs') === true ? true : undefined,
      top_logprobs: fields.number('top_logprobs'),
    })
    leave(fields)
    return { path: '/api/chat', body, dropped: notes.dropped }
  })
}

/** What Ollama has no word for. */
function leave(fields: Fields): void {
  fields.ignore(['stream_options'])
  fields.unsupported(['n'], (value) => value === 1)
  fields.unsupported(['parallel_tool_calls'], (value) => value === true)
  fields.unsupported(['service_tier'], (value) => value === 'auto' || value === 'default')
  fields.unsupported(['modalities'], (value) => JSON.stringify(value) === '["text"]')
  fields.unsupported(
    [
      ...['logit_bias', 'audio', 'store', 'functions', 'function_call', 'verbosity'],
      ...['web_search_options', 'moderation'],
    ],
    isNothing,
  )
  fields.hints([
    ...['user', 'safety_identifier', 'metadata', 'prediction', 'prompt_cache_key'],
    ...['prompt_cache_retention', 'prompt_cache_options', 'cache_control'],
  ])
  fields.end()
}

/** It chooses itself whether it calls; not to call is to have no tools. */
function writeTools(fields: Fields): readonly Json[] {
  const choice = fields.take('tool_choice')
  const tools = fields.each('tools').map(writeTool)
  if (choice === 'none') return []
  if (choice !== undefined && choice !== 'auto') fields.notes.unsupported('tool_choice')
  return tools
}

function writeTool(tool: Fields): Json {
  if (tool.string('type') !== 'function') {
    refuse(tool.at('type'), 'only tools of the type "function" can be expressed')
  }
  const given = tool.need('function', tool.object('function'))
  given.hints(['strict'])
  const written = compact({
    name: given.need('name', given.string('name')),
    description: given.string('description'),
    parameters: given.json('parameters'),
  })
  tool.hints(['cache_control'])
  given.end()
  tool.end()
  return { type: 'function', function: written }
}

function writeOptions(fields: Fields): Json {
  const tokens = fields.number('max_completion_tokens') ?? fields.number('max_tokens')
  fields.ignore(['max_tokens'])
  const stop = fields.take('stop')
  return compact({
    num_predict: tokens,
    temperature: fields.number('temperature'),
    top_p: fields.number('top_p'),
    top_k: fields.number('top_k'),
    seed: fields.number('seed'),
    stop: typeof stop === 'string' ? [stop] : stop,
    presence_penalty: fields.number('presence_penalty'),
    frequency_penalty: fields.number('frequency_penalty'),
  })
}

function writeFormat(fields: Fields): unknown {
  const format = fields.object('response_format')
  const type = format?.string('type')
  if (!format || type === 'text') return undefined
  if (type === 'json_object') return 'json'
  if (type !== 'json_schema') {
    fields.notes.unsupported('response_format')
    return undefined
  }
  return format.need('json_schema.schema', format.object('json_schema')?.json('schema'))
}

const LEVELS: Readonly<Record<Effort, string>> = {
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'high',
  max: 'high',
}

/** Models that know no levels take each for yes. */
function writeThink(fields: Fields): boolean | string | undefined {
  const effort = fields.string('reasoning_effort')
  const own = fields.object('thinking')
  const budget = own?.number('budget_tokens')
  const type = own?.string('type')
  own?.ignore(['display'])
  own?.end()
  if (effort === 'none' || (effort === undefined && type === 'disabled')) return false
  if (effort === undefined) {
    if (budget === undefined) return type === undefined ? undefined : true
    return LEVELS[effortOf(budget)]
  }
  if (!isEffort(effort)) return refuse('reasoning_effort', 'is not known')
  return LEVELS[effort]
}
