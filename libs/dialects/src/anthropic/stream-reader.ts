import { type AnswerContext, type ChatChunk, type Delta, type Usage } from '../chat.ts'
import {
  type EventTaker,
  failedPart,
  SseStreamReader,
  type StreamPart,
  type StreamReader,
} from '../codec.ts'
import { compact, isJson, type Json, jsonIn, parsedJson, nameIn, stringIn } from '../fields.ts'
import { type SseEvent } from '../sse.ts'
import { readError } from './errors.ts'
import { readStopReason, readThought, readUsage } from './response.ts'

export function streamReader(context: AnswerContext): StreamReader {
  return new SseStreamReader(new Blocks(context))
}

/** Statuses by the words of an error inside a stream, which has none of its own. */
const STATUSES: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
}
const STREAM_ERROR_STATUS = 502

/**
 * message_start, then blocks one after another (start, deltas, stop), then message_delta with the
 * reason and the usage, then message_stop, which alone makes the stream whole. Of a block only its
 * number among the calls and its signature are kept.
 */
class Blocks implements EventTaker {
  readonly #context: AnswerContext
  #id: string
  #model: string
  #usage: Json = {}
  #calls = 0
  #signature: string | undefined
  /** The open call's arguments, where they came whole with its start. */
  #input: string | undefined
  whole = false

  constructor(context: AnswerContext) {
    this.#context = context
    this.#id = context.id
    this.#model = context.model
  }

  take({ data }: SseEvent): readonly StreamPart[] {
    const body = parsedJson(data)
    if (!body) return [failedPart('an event of the stream is not JSON')]
    switch (body['type']) {
      case 'message_start':
        return this.#start(jsonIn(body, 'message') ?? {})
      case 'content_block_start':
        return this.#openBlock(jsonIn(body, 'content_block') ?? {})
      case 'content_block_delta':
        return this.#delta(jsonIn(body, 'delta') ?? {})
      case 'content_block_stop':
        return this.#closeBlock()
      case 'message_delta':
        return this.#end(body)
      case 'message_stop':
        this.whole = true
        return []
      case 'error': {
        const status = STATUSES[stringIn(body['error'], 'type') ?? ''] ?? STREAM_ERROR_STATUS
        return [{ kind: 'failed', error: readError(status, body) }]
      }
      default:
        return [] // `ping`, and what may be added: "handle unknown event types gracefully".
    }
  }

  #start(message: Json): readonly StreamPart[] {
    this.#id = nameIn(message, 'id') ?? this.#id
    this.#model = nameIn(message, 'model') ?? this.#model
    this.#usage = jsonIn(message, 'usage') ?? {}
    return this.#say({ role: 'assistant', content: '' })
  }

  #openBlock(block: Json): readonly StreamPart[] {
    this.#signature = undefined
    this.#input = undefined
    switch (block['type']) {
      case 'text':
        return this.#text('content', stringIn(block, 'text'))
      case 'thinking':
        this.#signature = stringIn(block, 'signature') ?? ''
        return this.#text('reasoning_content', stringIn(block, 'thinking'))
      case 'redacted_thinking':
        return this.#say({ thinking_blocks: [readThought(block, 'redacted_thinking')] })
      case 'tool_use': {
        const input = block['input']
        const isWhole = isJson(input) && Object.keys(input).length > 0
        this.#input = isWhole ? JSON.stringify(input) : '{}'
        const [id, name] = [stringIn(block, 'id') ?? '', stringIn(block, 'name') ?? '']
        return this.#say({ tool_calls: [{ index: this.#calls++, id, name, arguments: '' }] })
      }
      default:
        return [
          failedPart(`the backend sent a block of the type ${stringIn(block, 'type') ?? 'none'}`),
        ]
    }
  }

  #delta(delta: Json): readonly StreamPart[] {
    switch (delta['type']) {
      case 'text_delta':
        return this.#text('content', stringIn(delta, 'text'))
      case 'thinking_delta':
        return this.#text('reasoning_content', stringIn(delta, 'thinking'))
      case 'signature_delta':
        this.#signature = (this.#signature ?? '') + (stringIn(delta, 'signature') ?? '')
        return []
      case 'input_json_delta': {
        const text = stringIn(delta, 'partial_json') ?? ''
        if (text === '') return []
        this.#input = undefined
        return this.#say({ tool_calls: [{ index: this.#calls - 1, arguments: text }] })
      }
      default:
        return [] // Citations have no place in the hub's stream.
    }
  }

  #closeBlock(): readonly StreamPart[] {
    const signature = this.#signature
    const input = this.#input
    this.#signature = undefined
    this.#input = undefined
    if (signature) return this.#say({ thinking_blocks: [{ type: 'thinking', signature }] })
    if (input === undefined) return []
    return this.#say({ tool_calls: [{ index: this.#calls - 1, arguments: input }] })
  }

  #end(body: Json): readonly StreamPart[] {
    const delta = jsonIn(body, 'delta')
    const counted = Object.entries(jsonIn(body, 'usage') ?? {}).filter(([, one]) => one !== null)
    this.#usage = { ...this.#usage, ...Object.fromEntries(counted) }
    const usage = readUsage(this.#usage)
    const reason = readStopReason(delta?.['stop_reason'])
    const sequence = stringIn(delta, 'stop_sequence')
    const choice = compact({ index: 0, delta: {}, finish_reason: reason, stop_reason: sequence })
    return [this.#chunk(reason ? [choice] : [], usage)]
  }

  #text(member: 'content' | 'reasoning_content', text: string | undefined): readonly StreamPart[] {
    return text === undefined || text === '' ? [] : this.#say({ [member]: text })
  }

  #say(delta: Delta): readonly StreamPart[] {
    return [this.#chunk([{ index: 0, delta }])]
  }

  #chunk(choices: ChatChunk['choices'], usage?: Usage): StreamPart {
    const { createdS } = this.#context
    const chunk = compact({ id: this.#id, createdS, model: this.#model, choices, usage })
    return { kind: 'chunk', chunk }
  }
}
