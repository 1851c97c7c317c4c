import { callId } from '../call-id.ts'
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
  type Json,
  jsonIn,
  listIn,
  parsedJson,
  nameIn,
  stringIn,
} from '../fields.ts'
import { type SseEvent } from '../sse.ts'
import { readError } from './errors.ts'
import { googleExtra } from './read-contents.ts'
import { isBlocked, readFinish, readLogprobs, readUsage } from './response.ts'
import { argumentsOf } from './write-contents.ts'

const STREAM_ERROR_STATUS = 502

export function streamReader(context: AnswerContext): StreamReader {
  return new SseStreamReader(new Candidates(context))
}

/**
 * Each event is an answer of its own, to be added to those before it; a call comes whole. No event
 * says that it is the last: the stream is whole when every candidate that began has its reason, or
 * the prompt was refused.
 */
class Candidates implements EventTaker {
  readonly #context: AnswerContext
  /** Calls so far, of each candidate. */
  readonly #calls = new Map<number, number>()
  readonly #ended = new Set<number>()
  #blocked = false

  constructor(context: AnswerContext) {
    this.#context = context
  }

  get whole(): boolean {
    return this.#blocked || (this.#ended.size > 0 && this.#ended.size === this.#calls.size)
  }

  take({ data }: SseEvent): readonly StreamPart[] {
    const body = parsedJson(data)
    if (!body) return [failedPart('an event of the stream is not JSON')]
    const error = jsonIn(body, 'error')
    if (error) {
      const code = error['code']
      const status = typeof code === 'number' && code >= 400 ? code : STREAM_ERROR_STATUS
      return [{ kind: 'failed', error: readError(status, body) }]
    }
    const id = nameIn(body, 'responseId') ?? this.#context.id
    const candidates = listIn(body, 'candidates').filter(isJson)
    const choices = candidates.map((candidate) => this.#candidate(candidate, id))
    if (candidates.length === 0 && isBlocked(body)) {
      this.#blocked = true
      choices.push({ index: 0, delta: {}, finish_reason: 'content_filter' })
    }
    const chunk = compact({
      id,
      createdS: this.#context.createdS,
      model: nameIn(body, 'modelVersion') ?? this.#context.model,
      choices,
      usage: readUsage(body['usageMetadata']),
    })
    return [{ kind: 'chunk', chunk }]
  }

  #candidate(candidate: Json, id: string): ChunkChoice {
    const index = typeof candidate['index'] === 'number' ? candidate['index'] : 0
    const before = this.#calls.get(index)
    const delta = this.#delta(candidate, { index, id })
    const reason = readFinish(candidate['finishReason'], (this.#calls.get(index) ?? 0) > 0)
    if (reason) this.#ended.add(index)
    return compact({
      index,
      delta: before === undefined ? { role: 'assistant' as const, ...delta } : delta,
      finish_reason: reason,
      logprobs: readLogprobs(candidate['logprobsResult']),
    })
  }

  #delta(candidate: Json, { index, id }: { index: number; id: string }): Delta {
    const calls: ToolCallDelta[] = []
    let count = this.#calls.get(index) ?? 0
    let [content, reasoning] = ['', '']
    let signature: string | undefined
    for (const part of listIn(jsonIn(candidate, 'content'), 'parts')) {
      const called = jsonIn(part, 'functionCall')
      const signed = stringIn(part, 'thoughtSignature')
      if (called) {
        calls.push(
          compact({
            index: count,
            id: stringIn(called, 'id') ?? callId(id, [index, count]),
            name: stringIn(called, 'name') ?? '',
            arguments: argumentsOf(called['args']),
            extra_content: signed === undefined ? undefined : googleExtra(signed),
          }),
        )
        count++
      } else {
        signature = signed ?? signature
        const text = stringIn(part, 'text') ?? ''
        if (isJson(part) && part['thought'] === true) reasoning += text
        else content += text
      }
    }
    this.#calls.set(index, count)
    return compact({
      content: content === '' ? undefined : content,
      reasoning_content: reasoning === '' ? undefined : reasoning,
      tool_calls: calls.length > 0 ? calls : undefined,
      extra_content: signature === undefined ? undefined : googleExtra(signature),
    })
  }
}
