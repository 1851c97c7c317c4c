import { err, ok, type Result } from '@signalbox/model'
import {
  type AnswerContext,
  type ChatChunk,
  type FinishReason,
  type ToolCall,
  type ToolCallDelta,
  type Usage,
} from '../chat.ts'
import { type StreamWriter } from '../codec.ts'
import { compact, type Json, type Problem } from '../fields.ts'
import { LINE_CHARACTERS_MAX } from '../lines.ts'
import { writeCall, writeFinish, writeLogprobs, writeUsage } from './response.ts'
import { isoTime } from '../iso-time.ts'

/** What is said in one line. */
export interface Said {
  readonly text: string
  readonly thinking: string | undefined
  readonly calls: readonly ToolCall[]
}

/** Puts what is said where the path has it. */
export type Say = (said: Said) => Json

export const sayMessage: Say = ({ text, thinking, calls }) => ({
  message: compact({
    role: 'assistant',
    content: text,
    thinking,
    tool_calls: calls.length > 0 ? calls.map(writeCall) : undefined,
  }),
})

const NOTHING: Said = { text: '', thinking: undefined, calls: [] }

interface Call {
  id: string
  name: string
  args: string
}

/**
 * Text and thoughts go out as they come. Ollama's calls are whole, so that their arguments are
 * gathered (LINE_CHARACTERS_MAX in all) and go out before the last line, which has the reason and
 * the usage.
 */
export class LineWriter implements StreamWriter {
  readonly #say: Say
  readonly #calls = new Map<number, Call>()
  #about: { readonly model: string; readonly created_at: string }
  #isKnown = false
  #reason: FinishReason = 'stop'
  #usage: Usage | undefined
  #gathered = 0

  constructor({ model, createdS }: AnswerContext, say: Say) {
    this.#say = say
    this.#about = { model, created_at: isoTime(createdS) }
  }

  write(chunk: ChatChunk): Result<string, Problem> {
    if (!this.#isKnown) this.#about = { model: chunk.model, created_at: isoTime(chunk.createdS) }
    this.#isKnown = true
    this.#usage = chunk.usage ?? this.#usage
    let out = ''
    for (const { index, delta, finish_reason: reason, logprobs } of chunk.choices) {
      if (index !== 0) return err({ field: 'choices', message: 'there is more than one' })
      this.#reason = reason ?? this.#reason
      for (const call of delta.tool_calls ?? []) this.#gather(call)
      const text = (delta.content ?? '') + (delta.refusal ?? '')
      const thinking = delta.reasoning_content || undefined
      if (text === '' && thinking === undefined && !logprobs) continue
      const said = this.#say({ text, thinking, calls: [] })
      out += this.#line({ ...said, done: false, ...writeLogprobs(logprobs) })
    }
    if (this.#gathered > LINE_CHARACTERS_MAX) {
      return err({ field: 'tool_calls', message: 'have too many arguments' })
    }
    return ok(out)
  }

  end(): string {
    const calls = [...this.#calls.values()].map(({ id, name, args }): ToolCall => ({
      id,
      type: 'function',
      function: { name, arguments: args },
    }))
    const called = calls.length > 0 ? this.#say({ ...NOTHING, calls }) : undefined
    const reason = writeFinish(this.#reason)
    const last = { ...this.#say(NOTHING), done: true, done_reason: reason }
    return (
      (called ? this.#line({ ...called, done: false }) : '') +
      this.#line({ ...last, ...writeUsage(this.#usage) })
    )
  }

  #gather(delta: ToolCallDelta): void {
    const call = this.#calls.get(delta.index) ?? { id: '', name: '', args: '' }
    call.id += delta.id ?? ''
    call.name += delta.name ?? ''
    call.args += delta.arguments ?? ''
    this.#calls.set(delta.index, call)
    this.#gathered += delta.arguments?.length ?? 0
  }

  #line(body: Json): string {
    return `${JSON.stringify({ ...this.#about, ...body })}\n`
  }
}
