import { type Result } from '@signalbox/model'
import { type ChatRequest } from '../chat.ts'
import { type WrittenRequest } from '../codec.ts'
import { budgetOf, isEffort } from '../efforts.ts'
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
import { writeContents } from './write-contents.ts'

export { readRequest } from './read-request.ts'

/** The hub's request as a body for generateContent or streamGenerateContent. */
export function writeRequest(
  chat: ChatRequest,
  leniency: Leniency,
): Result<WrittenRequest, Problem> {
  return translating(() => {
    const notes = new Notes(leniency)
    const fields = new Fields(chat, '', notes)
    const model = fields.need('model', fields.string('model'))
    if (!model.isWellFormed()) refuse('model', 'has half a character')
    const stream = fields.boolean('stream') === true
    const { systemInstruction, contents } = writeContents(fields)
    const functions = fields.each('tools').map(writeTool)
    const config = writeConfig(fields)
    const body = compact({
      systemInstruction,
      contents,
      tools: functions.length > 0 ? [{ functionDeclarations: functions }] : undefined,
      toolConfig: writeToolChoice(fields),
      generationConfig: Object.keys(config).length > 0 ? config : undefined,
    })
    leave(fields)
    const verb = stream ? 'streamGenerateContent?alt=sse' : 'generateContent'
    const path = `/v1beta/models/${encodeURIComponent(model)}:${verb}`
    return { path, body, dropped: notes.dropped }
  })
}

/** What Gemini has no word for. */
function leave(fields: Fields): void {
  fields.ignore(['stream_options'])
  fields.unsupported(['parallel_tool_calls'], (value) => value === true)
  fields.unsupported(['service_tier'], (value) => value === 'auto' || value === 'default')
  fields.unsupported(['modalities'], (value) => JSON.stringify(value) === '["text"]')
  fields.unsupported(
    [
      'logit_bias',
      'audio',
      'store',
      'functions',
      'function_call',
      'verbosity',
      'web_search_options',
      'moderation',
    ],
    isNothing,
  )
  fields.hints([
    'user',
    'safety_identifier',
    'metadata',
    'prediction',
    'prompt_cache_key',
    'prompt_cache_retention',
    'prompt_cache_options',
    'cache_control',
  ])
  fields.end()
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
    parametersJsonSchema: given.json('parameters'),
  })
  tool.hints(['cache_control'])
  given.end()
  tool.end()
  return written
}

const MODES: Readonly<Record<string, string>> = { auto: 'AUTO', required: 'ANY', none: 'NONE' }

function writeToolChoice(fields: Fields): Json | undefined {
  const choice = fields.take('tool_choice')
  if (choice === undefined) return undefined
  if (typeof choice === 'string') {
    const mode = Object.hasOwn(MODES, choice) ? MODES[choice] : undefined
    return { functionCallingConfig: { mode: mode ?? refuse('tool_choice', 'is not known') } }
  }
  const named = new Fields(choice, 'tool_choice', fields.notes)
  if (named.string('type') !== 'function') {
    fields.notes.unsupported('tool_choice')
    return undefined
  }
  const name = named.need('function.name', named.object('function')?.string('name'))
  return { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: [name] } }
}

function writeConfig(fields: Fields): Json {
  const tokens = fields.number('max_completion_tokens') ?? fields.number('max_tokens')
  fields.ignore(['max_tokens'])
  const stop = fields.take('stop')
  const logprobs = fields.boolean('logprobs')
  return compact({
    temperature: fields.number('temperature'),
    topP: fields.number('top_p'),
    topK: fields.number('top_k'),
    candidateCount: fields.number('n'),
    maxOutputTokens: tokens,
    stopSequences: typeof stop === 'string' ? [stop] : stop,
    seed: fields.number('seed'),
    presencePenalty: fields.number('presence_penalty'),
    frequencyPenalty: fields.number('frequency_penalty'),
    responseLogprobs: logprobs === true ? true : undefined,
    logprobs: fields.number('top_logprobs'),
    ...writeFormat(fields),
    thinkingConfig: writeThinking(fields),
  })
}

const JSON_TYPE = 'application/json'

function writeFormat(fields: Fields): Json {
  const format = fields.object('response_format')
  const type = format?.string('type')
  if (!format || type === 'text') return {}
  if (type === 'json_object') return { responseMimeType: JSON_TYPE }
  if (type !== 'json_schema') {
    fields.notes.unsupported('response_format')
    return {}
  }
  const schema = format.object('json_schema')?.json('schema')
  return {
    responseMimeType: JSON_TYPE,
    responseJsonSchema: format.need('json_schema.schema', schema),
  }
}

/** Levels are of the third generation; the models before it count tokens. */
const BUDGET_MODELS = /gemini-2\./
const LEVELS: Readonly<Record<string, string>> = {
  minimal: 'MINIMAL',
  low: 'LOW',
  medium: 'MEDIUM',
  high: 'HIGH',
  xhigh: 'HIGH',
  max: 'HIGH',
}

/** Thoughts are asked for wherever thinking is: who pays for them may read them. */
function writeThinking(fields: Fields): Json | undefined {
  const effort = fields.string('reasoning_effort')
  const own = fields.object('thinking')
  const budget = own?.number('budget_tokens')
  own?.ignore(['type', 'display'])
  if (budget !== undefined) return { includeThoughts: true, thinkingBudget: budget }
  if (effort === undefined) return undefined
  if (effort === 'none') return { thinkingBudget: 0 }
  if (!isEffort(effort)) refuse('reasoning_effort', 'is not known')
  if (BUDGET_MODELS.test(fields.string('model') ?? '')) {
    return { includeThoughts: true, thinkingBudget: budgetOf(effort) }
  }
  return { includeThoughts: true, thinkingLevel: LEVELS[effort] }
}
