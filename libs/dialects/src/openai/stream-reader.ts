import { type AnswerContext, type ChunkChoice, type Delta, type ToolCallDelta } from '../chat.ts'
import {
  type EventTaker,
  failedPart,
  SseStreamReader,
  type StreamPart,
  type StreamReader,
} from '../codec.ts'
import {
  compact,
  isJson,
  jsonIn,
  type Json,
  listIn,
  parsedJson,
  nameIn,
  stringIn,
} from '../fields.ts'
import { type SseEvent } from '../sse.ts'
import { readError } from './errors.ts'
import {
  readExtra,
  readFinishReason,
  readLogprobs,
  readReasoning,
  readThinkingBlocks,
  readUsage,
  withCalls,
} from './response.ts'

const DONE = '[DONE]'
const STREAM_ERROR_STATUS = 502
/** Of one choice. A server that numbers more has lost its count. */
const CALLS_MAX = 1_024

export function streamReader(context: AnswerContext): StreamReader {
  return new SseStreamReader(new Chunks(context))
}

/** Which call a delta belongs to, where servers number them carelessly. */
interface Numbering {
  readonly indexById: Map<string, number>
  readonly indexByGiven: Map<number, number>
  count: number
}

/**
 * A stream is whole when it said [DONE]: a finish_reason may be followed by the usage.
 */
class Chunks implements EventTaker {
  readonly #context: AnswerContext
  readonly #calls = new Map<number, Numbering>()
  whole = false

  constructor(context: AnswerContext) {
    this.#context = context
  }

  take({ event, data }: SseEvent): readonly StreamPart[] {
    if (data.trim() === DONE) {
      this.whole = true
      return []
    }
    const body = parsedJson(data)
    if (!body) return [failedPart('an event of the stream is not JSON')]
    if (event === 'error' || (body['error'] !== undefined && body['error'] !== null)) {
      return [{ kind: 'failed', error: readError(STREAM_ERROR_STATUS, body) }]
    }
    const created = body['created']
    const chunk = compact({
      id: nameIn(body, 'id') ?? this.#context.id,
      createdS: typeof created === 'number' ? created : this.#context.createdS,
      model: nameIn(body, 'model') ?? this.#context.model,
      choices: listIn(body, 'choices')
        .filter(isJson)
        .map((choice) => this.#choice(choice)),
      usage: readUsage(body['usage']),
    })
    return [{ kind: 'chunk', chunk }]
  }

  #choice(choice: Json): ChunkChoice {
    const index = typeof choice['index'] === 'number' ? choice['index'] : 0
    const delta = this.#delta(jsonIn(choice, 'delta') ?? {}, index)
    const reason = readFinishReason(choice['finish_reason'])
    return compact({
      index,
      delta,
      finish_reason: reason && withCalls(reason, this.#calls.has(index)),
      logprobs: readLogprobs(choice['logprobs']),
      stop_reason: stringIn(choice, 'stop_reason'),
    })
  }

  #delta(delta: Json, choice: number): Delta {
    const calls = listIn(delta, 'tool_calls').filter(isJson)
    return compact({
      role: delta['role'] === 'assistant' ? ('assistant' as const) : undefined,
      content: stringIn(delta, 'content'),
      refusal: stringIn(delta, 'refusal'),
      reasoning_content: readReasoning(delta),
      thinking_blocks: readThinkingBlocks(delta),
      tool_calls: calls.length > 0 ? calls.map((call) => this.#call(call, choice)) : undefined,
      extra_content: readExtra(delta),
    })
  }

  #call(call: Json, choice: number): ToolCallDelta {
    const numbering = this.#numbering(choice)
    const { index, isNew } = number(numbering, call)
    const given = jsonIn(call, 'function')
    const text = given?.['arguments']
    return compact({
      index,
      id: isNew ? (stringIn(call, 'id') ?? `call_${index}`) : undefined,
      name: isNew ? stringIn(given, 'name') : undefined,
      arguments: isJson(text) ? JSON.stringify(text) : stringIn(given, 'arguments'),
      extra_content: readExtra(call),
    })
  }

  #numbering(choice: number): Numbering {
    const known = this.#calls.get(choice)
    if (known) return known
    const made = { indexById: new Map(), indexByGiven: new Map(), count: 0 }
    this.#calls.set(choice, made)
    return made
  }
}

/**
 * A new id begins a new call, also where its index was taken (servers that send whole calls number
 * them all 0); a delta without id belongs to the call that had its index last, or where it has no
 * index either, to the last call.
 */
function number(numbering: Numbering, call: Json): { index: number; isNew: boolean } {
  const id = stringIn(call, 'id') || undefined
  const given = typeof call['index'] === 'number' ? call['index'] : undefined
  const byId = id === undefined ? undefined : numbering.indexById.get(id)
  const byGiven = given === undefined ? numbering.count - 1 : numbering.indexByGiven.get(given)
  const known = id === undefined ? byGiven : byId
  if (known !== undefined && known >= 0) return { index: known, isNew: false }
  if (numbering.count >= CALLS_MAX) return { index: numbering.count - 1, isNew: false }
  const index = numbering.count++
  if (id !== undefined) numbering.indexById.set(id, index)
  if (given !== undefined) numbering.indexByGiven.set(given, index)
  return { index, isNew: true }
}
