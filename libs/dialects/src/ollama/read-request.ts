import { type Result } from '@signalbox/model'
import { type Call, type ReadRequest } from '../codec.ts'
import { isEffort } from '../efforts.ts'
import { compact, Fields, type Json, Notes, type Problem, refuse, translating } from '../fields.ts'
import { readMessages } from './read-messages.ts'

/** What a server is told of its own memory and processors: the answer means the same without. */
const LOADING = [
  ...['num_ctx', 'num_batch', 'num_gpu', 'main_gpu', 'low_vram', 'f16_kv', 'logits_all'],
  ...['vocab_only', 'use_mmap', 'use_mlock', 'num_thread', 'numa', 'num_keep', 'repeat_last_n'],
  ...['mirostat_tau', 'mirostat_eta', 'draft_num_predict'],
]
/** Ways to choose tokens that no other dialect has. */
const SAMPLING = ['min_p', 'mirostat', 'penalize_newline']
const SAMPLING_BY_ONE = ['repeat_penalty', 'typical_p', 'tfs_z']

/** A body of /api/chat as the hub's request. */
export function readRequest(body: unknown, call: Call): Result<ReadRequest, Problem> {
  return translating(() => {
    const notes = new Notes(call)
    const fields = new Fields(body, '', notes)
    const model = fields.need('model', fields.string('model'))
    const messages = readMessages(fields)
    const tools = fields.each('tools').map(readTool)
    const chat = {
      model,
      messages,
      ...(tools.length > 0 ? { tools } : {}),
      ...readSettings(fields),
    }
    fields.end()
    return { chat, dropped: notes.dropped }
  })
}

function readTool(tool: Fields): Json {
  if ((tool.string('type') ?? 'function') !== 'function') {
    refuse(tool.at('type'), 'only tools of the type "function" can be expressed')
  }
  const given = tool.need('function', tool.object('function'))
  const written = compact({
    name: given.need('name', given.string('name')),
    description: given.string('description'),
    parameters: given.json('parameters'),
  })
  given.end()
  tool.end()
  return { type: 'function', function: written }
}

/** What chats and generations have in common. It streams unless it is told not to. */
export function readSettings(fields: Fields): Json {
  const streams = fields.boolean('stream') !== false
  const options = fields.object('options')
  const settings = compact({
    stream: streams ? true : undefined,
    stream_options: streams ? { include_usage: true } : undefined,
    response_format: readFormat(fields),
    logprobs: fields.boolean('logprobs') === true ? true : undefined,
    top_logprobs: fields.number('top_logprobs') || undefined,
    ...readThink(fields),
    ...(options ? readOptions(options) : {}),
  })
  fields.hints(['keep_alive', 'truncate', 'shift'])
  return settings
}

function readOptions(options: Fields): Json {
  const predict = options.number('num_predict') ?? 0
  const read = compact({
    // Below one it says: as much as there is room for.
    max_tokens: predict > 0 ? predict : undefined,
    temperature: options.number('temperature'),
    top_p: options.number('top_p'),
    top_k: options.number('top_k'),
    seed: options.number('seed'),
    stop: readStop(options),
    presence_penalty: options.number('presence_penalty'),
    frequency_penalty: options.number('frequency_penalty'),
  })
  options.hints(LOADING)
  options.unsupported(SAMPLING)
  options.unsupported(SAMPLING_BY_ONE, (value) => value === 1)
  options.end()
  return read
}

function readStop(options: Fields): readonly unknown[] | undefined {
  const stop = options.take('stop')
  if (typeof stop === 'string') return [stop]
  if (stop === undefined || Array.isArray(stop)) return stop
  return refuse(options.at('stop'), 'must be a string or a list')
}

function readFormat(fields: Fields): Json | undefined {
  const format = fields.take('format')
  if (format === undefined || format === '') return undefined
  if (format === 'json') return { type: 'json_object' }
  if (typeof format !== 'object' || Array.isArray(format)) {
    return refuse(fields.at('format'), 'must be "json" or a schema')
  }
  return { type: 'json_schema', json_schema: { name: 'answer', schema: format } }
}

const USUAL_EFFORT = 'medium'

function readThink(fields: Fields): Json {
  const think = fields.take('think')
  if (think === undefined) return {}
  if (think === false) return { reasoning_effort: 'none', thinking: { type: 'disabled' } }
  const effort = think === true ? USUAL_EFFORT : think
  if (!isEffort(effort)) return refuse(fields.at('think'), 'is not known')
  return { reasoning_effort: effort }
}
