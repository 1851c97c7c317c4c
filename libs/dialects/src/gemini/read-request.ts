import { type Result } from '@signalbox/model'
import { type Call, type ReadRequest } from '../codec.ts'
import { effortOf } from '../efforts.ts'
import { compact, Fields, type Json, Notes, type Problem, refuse, translating } from '../fields.ts'
import { readContents } from './read-contents.ts'

/** A body of generateContent as the hub's request; the model stands in the path. */
export function readRequest(body: unknown, call: Call): Result<ReadRequest, Problem> {
  return translating(() => {
    const notes = new Notes(call)
    const fields = new Fields(body, '', notes)
    fields.ignore(['model'])
    const config = fields.object('generationConfig')
    const tools = fields.each('tools').flatMap(readTools)
    const messages = readContents(fields)
    const choice = readToolChoice(fields)
    const chat = compact({
      model: call.model ?? refuse('model', 'is missing'),
      messages,
      stream: call.stream === true ? true : undefined,
      stream_options: call.stream === true ? { include_usage: true } : undefined,
      tools: tools.length > 0 ? tools : undefined,
      ...choice,
      ...(config ? readConfig(config) : {}),
    })
    // What Gemini's own filters do at Gemini alone.
    fields.hints(['safetySettings', 'labels', 'store'])
    fields.unsupported(['cachedContent', 'serviceTier'])
    fields.end()
    return { chat, dropped: notes.dropped }
  })
}

function readTools(tool: Fields): readonly Json[] {
  const functions = tool.each('functionDeclarations').map((declared) => {
    declared.hints(['behavior', 'response', 'responseJsonSchema'])
    const schema = declared.take('parametersJsonSchema')
    const parameters = schema ?? lowerTypes(declared.take('parameters'))
    declared.ignore(['parameters'])
    const written = compact({
      type: 'function',
      function: compact({
        name: declared.need('name', declared.string('name')),
        description: declared.string('description'),
        parameters,
      }),
    })
    declared.end()
    return written
  })
  for (const name of Object.keys(tool.rest())) {
    refuse(tool.at(name), 'tools that Google runs cannot be expressed')
  }
  return functions
}

/** Google's older schemas write `"type": "STRING"`, where JSON Schema has it small. */
function lowerTypes(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(lowerTypes)
  if (typeof schema !== 'object' || schema === null) return schema
  return Object.fromEntries(
    Object.entries(schema).map(([name, value]) => [
      name,
      name === 'type' && typeof value === 'string' ? value.toLowerCase() : lowerTypes(value),
    ]),
  )
}

const CHOICES: Readonly<Record<string, string>> = { AUTO: 'auto', ANY: 'required', NONE: 'none' }

function readToolChoice(fields: Fields): Json {
  const config = fields.object('toolConfig')
  const calling = config?.object('functionCallingConfig')
  config?.end()
  if (!calling) return {}
  const mode = calling.string('mode') ?? 'AUTO'
  const names = calling.list('allowedFunctionNames') ?? []
  calling.hints(['streamFunctionCallArguments'])
  calling.end()
  if (mode === 'MODE_UNSPECIFIED') return {}
  const [only] = names
  if (mode === 'ANY' && names.length === 1 && typeof only === 'string') {
    return { tool_choice: { type: 'function', function: { name: only } } }
  }
  if (names.length > 0) fields.notes.unsupported(calling.at('allowedFunctionNames'))
  const choice = Object.hasOwn(CHOICES, mode) ? CHOICES[mode] : undefined
  return { tool_choice: choice ?? refuse(calling.at('mode'), 'is not known') }
}

function readConfig(config: Fields): Json {
  const logprobs = config.boolean('responseLogprobs')
  const read = compact({
    temperature: config.number('temperature'),
    top_p: config.number('topP'),
    top_k: config.number('topK'),
    n: config.number('candidateCount'),
    max_tokens: config.number('maxOutputTokens'),
    stop: config.list('stopSequences'),
    seed: config.number('seed'),
    presence_penalty: config.number('presencePenalty'),
    frequency_penalty: config.number('frequencyPenalty'),
    logprobs: logprobs === true ? true : undefined,
    top_logprobs: config.number('logprobs'),
    ...readFormat(config),
    ...readThinking(config),
  })
  config.unsupported(['responseModalities'], (value) => JSON.stringify(value) === '["TEXT"]')
  config.hints(['mediaResolution'])
  config.end()
  return read
}

function readFormat(config: Fields): Json {
  const type = config.string('responseMimeType')
  const own = lowerTypes(config.take('responseSchema'))
  const schema = config.take('responseJsonSchema') ?? own
  if (type === undefined || type === 'text/plain') return {}
  if (type !== 'application/json') {
    config.notes.unsupported(config.at('responseMimeType'))
    return {}
  }
  if (schema === undefined) return { response_format: { type: 'json_object' } }
  return { response_format: { type: 'json_schema', json_schema: { name: 'answer', schema } } }
}

const EFFORTS: Readonly<Record<string, string>> = {
  MINIMAL: 'minimal',
  LOW: 'low',
  MEDIUM: 'medium',
  HIGH: 'high',
  XHIGH: 'xhigh',
}

/** A budget of -1 leaves it to the model, as saying nothing does. */
function readThinking(config: Fields): Json {
  const thinking = config.object('thinkingConfig')
  const budget = thinking?.number('thinkingBudget')
  const level = thinking?.string('thinkingLevel')
  thinking?.ignore(['includeThoughts'])
  thinking?.end()
  if (level !== undefined && Object.hasOwn(EFFORTS, level)) {
    return { reasoning_effort: EFFORTS[level] }
  }
  if (budget === undefined || budget < 0) return {}
  if (budget === 0) return { reasoning_effort: 'none', thinking: { type: 'disabled' } }
  return {
    reasoning_effort: effortOf(budget),
    thinking: { type: 'enabled', budget_tokens: budget },
  }
}
