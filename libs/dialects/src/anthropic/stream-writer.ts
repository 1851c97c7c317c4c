import { err, ok, type Result } from '@signalbox/model'
import {
  type AnswerContext,
  type ChatChunk,
  type Delta,
  type FinishReason,
  type ThinkingBlock,
  type ToolCallDelta,
  type Usage,
} from '../chat.ts'
import { type StreamWriter } from '../codec.ts'
import { type Json, type Problem } from '../fields.ts'
import { signatureBlocks } from './google-signatures.ts'
import { writeStopReason, writeUsage } from './response.ts'

export function streamWriter(context: AnswerContext): StreamWriter {
  return new BlockWriter(context)
}

type Kind = 'text' | 'thinking' | 'tool_use'

/**
 * One block is open at a time, and what belongs to another one closes it. The reason and the usage
 * are kept until the end, because Anthropic says them together and behind the last block.
 *
 *   start -> (open block -> deltas -> stop)* -> message_delta -> message_stop
 */
class BlockWriter implements StreamWriter {
  readonly #context: AnswerContext
  #out = ''
  #started = false
  #open: Kind | undefined
  #index = -1
  #call = -1
  #reason: FinishReason = 'stop'
  #sequence: string | undefined
  #usage: Usage | undefined

  constructor(context: AnswerContext) {
    this.#context = context
  }

  write(chunk: ChatChunk): Result<string, Problem> {
    this.#out = ''
    this.#start(chunk)
    this.#usage = chunk.usage ?? this.#usage
    for (const choice of chunk.choices) {
      if (choice.index !== 0) return err({ field: 'choices', message: 'there is more than one' })
      const problem = this.#delta(choice.delta)
      if (problem) return err(problem)
      this.#reason = choice.finish_reason ?? this.#reason
      this.#sequence = choice.stop_reason ?? this.#sequence
    }
    return ok(this.#out)
  }

  end(): string {
    this.#out = ''
    this.#start()
    this.#close()
    const sequence = this.#reason === 'stop' ? this.#sequence : undefined
    const stopReason = writeStopReason(this.#reason, sequence)
    this.#event('message_delta', {
      delta: { stop_reason: stopReason, stop_sequence: sequence ?? null },
      usage: writeUsage(this.#usage),
    })
    this.#event('message_stop', {})
    return this.#out
  }

  #start(chunk?: ChatChunk): void {
    if (this.#started) return
    this.#started = true
    this.#event('message_start', {
      message: {
        id: chunk?.id ?? this.#context.id,
        type: 'message',
        role: 'assistant',
        model: chunk?.model ?? this.#context.model,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: writeUsage(chunk?.usage),
      },
    })
  }

  #delta(delta: Delta): Problem | undefined {
    if (delta.reasoning_content) {
      this.#openBlock('thinking', { thinking: '', signature: '' })
      this.#deltaEvent({ type: 'thinking_delta', thinking: delta.reasoning_content })
    }
    for (const block of delta.thinking_blocks ?? []) this.#thought(block)
    const text = (delta.content ?? '') + (delta.refusal ?? '')
    if (text !== '') {
      this.#openBlock('text', { text: '' })
      this.#deltaEvent({ type: 'text_delta', text })
    }
    for (const block of signatureBlocks('text', delta.extra_content)) this.#thought(block)
    for (const call of delta.tool_calls ?? []) {
      const problem = this.#callDelta(call)
      if (problem) return problem
    }
    return undefined
  }

  /** A signature closes the thoughts before it; one without thoughts is a block by itself. */
  #thought({ type, thinking, signature, data }: ThinkingBlock): void {
    if (type === 'redacted_thinking') {
      this.#close()
      this.#begin({ type, data: data ?? '' })
      return this.#stop()
    }
    this.#openBlock('thinking', { thinking: '', signature: '' })
    if (thinking) this.#deltaEvent({ type: 'thinking_delta', thinking })
    if (!signature) return
    this.#deltaEvent({ type: 'signature_delta', signature })
    this.#close()
  }

  #callDelta(call: ToolCallDelta): Problem | undefined {
    if (this.#open !== 'tool_use' || call.index !== this.#call) {
      if (call.index <= this.#call) {
        // Its block is closed, and Anthropic has no way to open it again.
        return { field: `tool_calls[${call.index}]`, message: 'goes on behind another block' }
      }
      for (const block of signatureBlocks('call', call.extra_content)) this.#thought(block)
      this.#close()
      this.#call = call.index
      this.#open = 'tool_use'
      this.#begin({ type: 'tool_use', id: call.id ?? '', name: call.name ?? '', input: {} })
    }
    if (call.arguments) {
      this.#deltaEvent({ type: 'input_json_delta', partial_json: call.arguments })
    }
    return undefined
  }

  #openBlock(kind: Kind, empty: Json): void {
    if (this.#open === kind) return
    this.#close()
    this.#open = kind
    this.#begin({ type: kind, ...empty })
  }

  #begin(block: Json): void {
    this.#index++
    this.#event('content_block_start', { index: this.#index, content_block: block })
  }

  #close(): void {
    if (this.#open === undefined) return
    this.#open = undefined
    this.#stop()
  }

  #stop(): void {
    this.#event('content_block_stop', { index: this.#index })
  }

  #deltaEvent(delta: Json): void {
    this.#event('content_block_delta', { index: this.#index, delta })
  }

  #event(type: string, body: Json): void {
    this.#out += `event: ${type}\ndata: ${JSON.stringify({ type, ...body })}\n\n`
  }
}
