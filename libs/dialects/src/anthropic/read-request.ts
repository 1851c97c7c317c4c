import { type Result } from '@signalbox/model'
import { type Call, type ReadRequest } from '../codec.ts'
import { effortOf } from '../efforts.ts'
import { compact, Fields, type Json, Notes, type Problem, refuse, translating } from '../fields.ts'
import { readMessages, readSystem } from './read-messages.ts'

/** A body of POST /v1/messages as the hub's request. */
export function readRequest(body: unknown, call: Call): Result<ReadRequest, Problem> {
  return translating(() => {
    const notes = new Notes(call)
    const fields = new Fields(body, '', notes)
    const stream = fields.boolean('stream')
    const metadata = fields.object('metadata')
    const tools = fields.each('tools').map(readTool)
    const messages = [...readSystem(fields), ...readMessages(fields)]
    const chat = compact({
      model: fields.need('model', fields.string('model')),
      messages,
      max_tokens: fields.need('max_tokens', fields.number('max_tokens')),
      temperature: fields.number('temperature'),
      top_p: fields.number('top_p'),
      top_k: fields.number('top_k'),
      stop: fields.list('stop_sequences'),
      stream,
      stream_options: stream === true ? { include_usage: true } : undefined,
      user: metadata?.string('user_id'),
      tools: tools.length > 0 ? tools : undefined,
      ...readToolChoice(fields),
      ...readThinking(fields),
      service_tier: readServiceTier(fields),
      cache_control: fields.take('cache_control'),
    })
    metadata?.end()
    fields.hints(['diagnostics'])
    fields.unsupported(['speed'], (value) => value === 'standard')
    fields.end()
    return { chat, dropped: notes.dropped }
  })
}

function readServiceTier(fields: Fields): string | undefined {
  const tier = fields.string('service_tier')
  return tier === 'standard_only' ? 'default' : tier
}

function readTool(tool: Fields): Json {
  if ((tool.string('type') ?? 'custom') !== 'custom') {
    refuse(tool.at('type'), 'tools that Anthropic runs or defines cannot be expressed')
  }
  tool.hints(['eager_input_streaming', 'input_examples', 'defer_loading', 'allowed_callers'])
  const written = compact({
    type: 'function',
    function: compact({
      name: tool.need('name', tool.string('name')),
      description: tool.string('description'),
      parameters: tool.json('input_schema'),
      strict: tool.boolean('strict'),
    }),
    cache_control: tool.take('cache_control'),
  })
  tool.end()
  return written
}

const CHOICES: Readonly<Record<string, string>> = { auto: 'auto', any: 'required', none: 'none' }

function readToolChoice(fields: Fields): Json {
  const choice = fields.object('tool_choice')
  if (!choice) return {}
  const type = choice.need('type', choice.string('type'))
  const single = choice.boolean('disable_parallel_tool_use')
  const parallel = single === true ? { parallel_tool_calls: false } : {}
  const name = choice.string('name')
  choice.end()
  if (type === 'tool') {
    const named = { type: 'function', function: { name: choice.need('name', name) } }
    return { tool_choice: named, ...parallel }
  }
  const written = Object.hasOwn(CHOICES, type) ? CHOICES[type] : undefined
  return { tool_choice: written ?? refuse('tool_choice.type', 'is not known'), ...parallel }
}

/** The budget stays beside the effort, for a backend that counts tokens too. */
function readThinking(fields: Fields): Json {
  const thinking = fields.object('thinking')
  const config = fields.object('output_config')
  const effort = config?.string('effort')
  const format = config?.object('format')
  const schema = format?.json('schema')
  format?.ignore(['type'])
  format?.end()
  config?.end()
  const formatted = format
    ? { response_format: { type: 'json_schema', json_schema: { name: 'answer', schema } } }
    : {}
  const named = effort === undefined ? {} : { reasoning_effort: effort }
  if (!thinking) return { ...formatted, ...named }
  const type = thinking.need('type', thinking.string('type'))
  const budget = thinking.number('budget_tokens')
  const display = thinking.string('display')
  thinking.end()
  if (type === 'disabled') return { ...formatted, reasoning_effort: 'none', thinking: { type } }
  const own = compact({ type, budget_tokens: budget, display })
  if (budget === undefined) return { ...formatted, ...named, thinking: own }
  return { ...formatted, reasoning_effort: effort ?? effortOf(budget), thinking: own }
}
