import { type Result } from '@signalbox/model'
import { type ChatRequest } from '../chat.ts'
import { type WrittenRequest } from '../codec.ts'
import { type Effort, BUDGET_TOKENS_MIN, budgetOf, isEffort } from '../efforts.ts'
import {
  compact,
  Fields,
  type Json,
  type Leniency,
  Notes,
  type Problem,
  refuse,
  translating,
} from '../fields.ts'
import { writeMessages } from './write-messages.ts'

export { readRequest } from './read-request.ts'

/** Anthropic wants a bound; OpenAI's clients need not give one. An answer that meets it says so. */
const MAX_TOKENS_DEFAULT = 8_192
const TEMPERATURE_MAX = 1
/** Models that take a budget of tokens; later ones take an effort and think adaptively. */
const BUDGET_MODELS = /claude-(?:3|(?:opus|sonnet|haiku)-4(?:-[015])?(?:-\d{8}|-latest|@|$|:))/
/** The effort of what Anthropic has no word for. */
const NEAREST: Readonly<Partial<Record<Effort, string>>> = { minimal: 'low' }

/** The hub's request as a body for POST /v1/messages. */
export function writeRequest(
  chat: ChatRequest,
  leniency: Leniency,
): Result<WrittenRequest, Problem> {
  return translating(() => {
    const notes = new Notes(leniency)
    const fields = new Fields(chat, '', notes)
    const model = fields.need('model', fields.string('model'))
    const { system, messages } = writeMessages(fields)
    const limits = writeThinking(fields, model)
    const tools = fields.each('tools').map(writeTool)
    const format = writeFormat(fields)
    const user = fields.string('user') ?? fields.string('safety_identifier')
    const config = compact({ ...limits.config, format })
    const body = compact({
      model,
      ...limits.body,
      system,
      messages,
      temperature: writeTemperature(fields),
      top_p: fields.number('top_p'),
      top_k: fields.number('top_k'),
      stop_sequences: writeStop(fields),
      stream: fields.boolean('stream'),
      metadata: user === undefined ? undefined : { user_id: user },
      service_tier: writeServiceTier(fields),
      cache_control: fields.take('cache_control'),
      tools: tools.length > 0 ? tools : undefined,
      tool_choice: writeToolChoice(fields, tools.length > 0),
      output_config: Object.keys(config).length > 0 ? config : undefined,
    })
    leave(fields)
    return { path: '/v1/messages', body, dropped: notes.dropped }
  })
}

/** What Anthropic has no word for. */
function leave(fields: Fields): void {
  fields.ignore(['safety_identifier', 'stream_options'])
  fields.unsupported(['n'], (value) => value === 1)
  fields.unsupported(['modalities'], (value) => JSON.stringify(value) === '["text"]')
  fields.unsupported(['seed'], () => false)
  fields.unsupported([
    'logprobs',
    'top_logprobs',
    'frequency_penalty',
    'presence_penalty',
    'logit_bias',
    'audio',
    'store',
    'functions',
    'function_call',
    'verbosity',
    'web_search_options',
    'moderation',
  ])
  fields.hints([
    'metadata',
    'prediction',
    'prompt_cache_key',
    'prompt_cache_retention',
    'prompt_cache_options',
  ])
  fields.end()
}

function writeTemperature(fields: Fields): number | undefined {
  const temperature = fields.number('temperature')
  if (temperature === undefined || temperature <= TEMPERATURE_MAX) return temperature
  fields.notes.unsupported('temperature', `over ${TEMPERATURE_MAX} cannot be expressed`)
  return TEMPERATURE_MAX
}

function writeStop(fields: Fields): readonly string[] | undefined {
  const stop = fields.take('stop')
  if (stop === undefined) return undefined
  if (typeof stop === 'string') return [stop]
  if (Array.isArray(stop) && stop.every((one) => typeof one === 'string')) return stop
  refuse('stop', 'must be a string or a list of strings')
}

function writeServiceTier(fields: Fields): string | undefined {
  const tier = fields.string('service_tier')
  if (tier === undefined || tier === 'auto') return tier
  if (tier === 'default') return 'standard_only'
  fields.notes.unsupported('service_tier')
  return undefined
}

function writeTool(tool: Fields): Json {
  if (tool.string('type') !== 'function') {
    // A tool that is left out would leave a model without it: not even a lenient policy may.
    refuse(tool.at('type'), 'only tools of the type "function" can be expressed')
  }
  const given = tool.need('function', tool.object('function'))
  const written = compact({
    name: given.need('name', given.string('name')),
    description: given.string('description'),
    input_schema: given.json('parameters') ?? { type: 'object', properties: {} },
    strict: given.boolean('strict'),
    cache_control: tool.take('cache_control'),
  })
  given.end()
  tool.end()
  return written
}

const CHOICES: Readonly<Record<string, string>> = { auto: 'auto', required: 'any', none: 'none' }

function writeToolChoice(fields: Fields, hasTools: boolean): Json | undefined {
  const choice = fields.take('tool_choice')
  const parallel = fields.boolean('parallel_tool_calls')
  const single = parallel === false && hasTools ? { disable_parallel_tool_use: true } : {}
  if (choice === undefined) {
    return hasTools && parallel === false ? { type: 'auto', ...single } : undefined
  }
  if (typeof choice === 'string') {
    const type = Object.hasOwn(CHOICES, choice) ? CHOICES[choice] : undefined
    if (type === undefined) refuse('tool_choice', 'is not known')
    return type === 'none' ? { type } : { type, ...single }
  }
  const named = new Fields(choice, 'tool_choice', fields.notes)
  if (named.string('type') !== 'function') {
    fields.notes.unsupported('tool_choice')
    return undefined
  }
  const name = named.object('function')?.string('name')
  return { type: 'tool', name: named.need('function.name', name), ...single }
}

function writeFormat(fields: Fields): Json | undefined {
  const format = fields.object('response_format')
  const type = format?.string('type')
  if (!format || type === 'text') return undefined
  if (type !== 'json_schema') {
    fields.notes.unsupported('response_format')
    return undefined
  }
  const schema = format.object('json_schema')?.json('schema')
  return { type, schema: format.need('json_schema.schema', schema) }
}

interface Limits {
  readonly body: Json
  readonly config: Json
}

/** max_tokens and what is thought within it. */
function writeThinking(fields: Fields, model: string): Limits {
  const tokens = fields.number('max_completion_tokens') ?? fields.number('max_tokens')
  fields.ignore(['max_tokens'])
  const effort = fields.string('reasoning_effort')
  const own = fields.json('thinking')
  if (effort !== undefined && effort !== 'none' && !isEffort(effort)) {
    refuse('reasoning_effort', 'is not known')
  }
  const plain = { max_tokens: tokens ?? MAX_TOKENS_DEFAULT }
  if (own) {
    const named = isEffort(effort) && own['type'] !== 'enabled' ? writeEffort(effort) : {}
    return { body: { ...plain, thinking: own }, config: named }
  }
  if (effort === undefined) return { body: plain, config: {} }
  if (effort === 'none') return { body: { ...plain, thinking: { type: 'disabled' } }, config: {} }
  if (!BUDGET_MODELS.test(model)) {
    return { body: { ...plain, thinking: { type: 'adaptive' } }, config: writeEffort(effort) }
  }
  const wanted = budgetOf(effort)
  const max = tokens ?? MAX_TOKENS_DEFAULT + wanted
  const budget = Math.min(wanted, max - 1)
  if (budget < BUDGET_TOKENS_MIN) {
    fields.notes.unsupported(
      'reasoning_effort',
      `needs more than ${BUDGET_TOKENS_MIN} max_completion_tokens at this backend`,
    )
    return { body: plain, config: {} }
  }
  const thinking = { type: 'enabled', budget_tokens: budget }
  return { body: { max_tokens: max, thinking }, config: {} }
}

function writeEffort(effort: Effort): Json {
  return { effort: NEAREST[effort] ?? effort }
}
