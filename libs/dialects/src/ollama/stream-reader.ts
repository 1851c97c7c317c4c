import { type AnswerContext, type Delta } from '../chat.ts'
import { failedPart, type StreamPart, type StreamReader } from '../codec.ts'
import { compact, type Json, jsonIn, parsedJson, nameIn, stringIn, translating } from '../fields.ts'
import { LineReader } from '../lines.ts'
import { readError } from './errors.ts'
import { readCalls, readFinish, readLogprobs, readUsage } from './response.ts'

const STREAM_ERROR_STATUS = 502

export function streamReader(context: AnswerContext): StreamReader {
  return new Lines(context)
}

/**
 * A line of JSON after another, each with what came since the one before it; a call comes whole.
 * The last one says `done`, and has the reason and the usage.
 *
 *   line* -> line with done -> (nothing more counts)
 *         -> line with error | no JSON -> failed
 */
class Lines implements StreamReader {
  readonly #lines = new LineReader()
  readonly #context: AnswerContext
  #calls = 0
  #begun = false
  #done = false
  #failed = false

  constructor(context: AnswerContext) {
    this.#context = context
  }

  get whole(): boolean {
    return this.#done && !this.#failed
  }

  read(bytes: Uint8Array): readonly StreamPart[] {
    return this.#take(this.#lines.read(bytes))
  }

  end(): readonly StreamPart[] {
    return this.#take(this.#lines.end())
  }

  #take(lines: readonly string[]): readonly StreamPart[] {
    const parts: StreamPart[] = []
    for (const line of lines) {
      if (this.#failed) return parts
      if (line.trim() === '') continue
      const part = this.#line(line)
      if (!part) continue
      this.#failed = part.kind === 'failed'
      parts.push(part)
    }
    if (this.#lines.overflowed && !this.#failed) {
      this.#failed = true
      parts.push(failedPart('a line of the stream is too long'))
    }
    return parts
  }

  #line(line: string): StreamPart | undefined {
    const body = parsedJson(line)
    if (!body) return failedPart('a line of the stream is not JSON')
    if (body['error'] !== undefined && body['error'] !== null) {
      return { kind: 'failed', error: readError(STREAM_ERROR_STATUS, body) }
    }
    if (this.#done) return undefined
    const read = translating(() => this.#chunk(body))
    return read.ok ? read.value : failedPart(`${read.error.field} ${read.error.message}`)
  }

  #chunk(body: Json): StreamPart {
    const delta = this.#delta(jsonIn(body, 'message') ?? {})
    this.#done = body['done'] === true
    const reason = this.#done ? readFinish(body['done_reason'], this.#calls > 0) : undefined
    const choice = compact({
      index: 0,
      delta: this.#begun ? delta : { role: 'assistant' as const, ...delta },
      finish_reason: reason,
      logprobs: readLogprobs(body),
    })
    this.#begun = true
    const { id, createdS, model } = this.#context
    const about = { id, createdS, model: nameIn(body, 'model') ?? model }
    const usage = this.#done ? readUsage(body) : undefined
    return { kind: 'chunk', chunk: compact({ ...about, choices: [choice], usage }) }
  }

  #delta(message: Json): Delta {
    const calls = readCalls(message, this.#context.id, this.#calls)
    const first = this.#calls
    this.#calls += calls.length
    const deltas = calls.map(({ id, function: { name, arguments: text } }, index) => ({
      index: first + index,
      id,
      name,
      arguments: text,
    }))
    return compact({
      content: stringIn(message, 'content') || undefined,
      reasoning_content: stringIn(message, 'thinking') || undefined,
      tool_calls: deltas.length > 0 ? deltas : undefined,
    })
  }
}
