import { err, ok, type Result } from '@signalbox/model'
import {
  type AnswerContext,
  type ChatChunk,
  type ChunkChoice,
  type Delta,
  type FinishReason,
  type GoogleExtra,
  type ToolCallDelta,
  type Usage,
} from '../chat.ts'
import { type StreamWriter } from '../codec.ts'
import { compact, type Json, type Problem } from '../fields.ts'
import { LINE_CHARACTERS_MAX } from '../lines.ts'
import { writeCall, writeFinish, writeLogprobs, writeUsage } from './response.ts'

export function streamWriter(context: AnswerContext): StreamWriter {
  return new CandidateWriter(context)
}

interface Call {
  id: string
  name: string
  args: string
  extra: GoogleExtra | undefined
}

interface Candidate {
  readonly calls: Map<number, Call>
  reason: FinishReason | undefined
}

/**
 * Text and thoughts go out as they come. Gemini's calls are whole, so that their arguments are
 * gathered (LINE_CHARACTERS_MAX in all) and go out with the reason and the usage, in the last
 * event.
 */
class CandidateWriter implements StreamWriter {
  readonly #context: AnswerContext
  readonly #candidates = new Map<number, Candidate>()
  #about: { responseId: string; modelVersion: string } | undefined
  #usage: Usage | undefined
  #gathered = 0

  constructor(context: AnswerContext) {
    this.#context = context
  }

  write(chunk: ChatChunk): Result<string, Problem> {
    this.#about ??= { responseId: chunk.id, modelVersion: chunk.model }
    this.#usage = chunk.usage ?? this.#usage
    const candidates = chunk.choices.flatMap((choice) => this.#choice(choice))
    if (this.#gathered > LINE_CHARACTERS_MAX) {
      return err({ field: 'tool_calls', message: 'have too many arguments' })
    }
    return ok(candidates.length > 0 ? this.#event({ candidates }) : '')
  }

  end(): string {
    const known = this.#candidates.size > 0 ? this.#candidates : new Map([[0, newCandidate()]])
    const candidates = [...known].map(([index, { calls, reason }]) => ({
      content: {
        role: 'model',
        parts: [...calls.values()].map(({ id, name, args, extra }) =>
          writeCall({
            id,
            type: 'function',
            function: { name, arguments: args },
            ...(extra ? { extra_content: extra } : {}),
          }),
        ),
      },
      finishReason: writeFinish(reason ?? 'stop'),
      index,
    }))
    return this.#event(
      compact({ candidates, usageMetadata: this.#usage && writeUsage(this.#usage) }),
    )
  }

  #choice({ index, delta, finish_reason: reason, logprobs }: ChunkChoice): readonly Json[] {
    const candidate = this.#candidates.get(index) ?? newCandidate()
    this.#candidates.set(index, candidate)
    candidate.reason = reason ?? candidate.reason
    for (const call of delta.tool_calls ?? []) this.#gather(candidate.calls, call)
    const parts = writeDelta(delta)
    if (parts.length === 0 && !logprobs) return []
    const logprobsResult = logprobs && writeLogprobs(logprobs)
    return [compact({ content: { role: 'model', parts }, index, logprobsResult })]
  }

  #gather(calls: Map<number, Call>, delta: ToolCallDelta): void {
    const call = calls.get(delta.index) ?? { id: '', name: '', args: '', extra: undefined }
    call.id += delta.id ?? ''
    call.name += delta.name ?? ''
    call.args += delta.arguments ?? ''
    call.extra = delta.extra_content ?? call.extra
    calls.set(delta.index, call)
    this.#gathered += delta.arguments?.length ?? 0
  }

  #event(body: Json): string {
    const { id, model } = this.#context
    const about = this.#about ?? { responseId: id, modelVersion: model }
    return `data: ${JSON.stringify({ ...body, ...about })}\n\n`
  }
}

function newCandidate(): Candidate {
  return { calls: new Map(), reason: undefined }
}

function writeDelta(delta: Delta): readonly Json[] {
  const text = (delta.content ?? '') + (delta.refusal ?? '')
  const thoughtSignature = delta.extra_content?.google.thought_signature
  const thought = delta.reasoning_content
  return [
    ...(thought ? [{ text: thought, thought: true }] : []),
    ...(text === '' && thoughtSignature === undefined ? [] : [compact({ text, thoughtSignature })]),
  ]
}
