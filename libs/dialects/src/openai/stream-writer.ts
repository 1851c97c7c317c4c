import { ok } from '@signalbox/model'
import { type AnswerContext, type ChatChunk, type Delta, type Usage } from '../chat.ts'
import { type StreamWriter } from '../codec.ts'

/** Chunks as they are; the usage last, in a chunk of its own, and only for who asked for it. */
export function streamWriter(context: AnswerContext): StreamWriter {
  let usage: Usage | undefined
  let last: ChatChunk | undefined
  return {
    write: (chunk) => {
      usage = chunk.usage ?? usage
      last = chunk
      return ok(chunk.choices.length > 0 ? event(chunk, chunk.choices.map(present)) : '')
    },
    end: () => {
      const counted = context.includeUsage && usage && last ? event(last, [], usage) : ''
      return `${counted}data: [DONE]\n\n`
    },
  }
}

function event(chunk: ChatChunk, choices: readonly unknown[], usage?: Usage): string {
  const { id, createdS, model } = chunk
  const body = { id, object: 'chat.completion.chunk', created: createdS, model, choices }
  return `data: ${JSON.stringify(usage ? { ...body, usage } : body)}\n\n`
}

function present({ index, delta, finish_reason, logprobs, stop_reason }: ChatChunk['choices'][0]) {
  return {
    index,
    delta: presentDelta(delta),
    logprobs: logprobs ?? null,
    finish_reason: finish_reason ?? null,
    ...(stop_reason === undefined ? {} : { stop_reason }),
  }
}

function presentDelta({ tool_calls: calls, ...delta }: Delta) {
  if (!calls) return delta
  return {
    ...delta,
    tool_calls: calls.map(({ index, id, name, arguments: text, extra_content: extra }) => ({
      index,
      ...(id === undefined ? {} : { id, type: 'function' }),
      function: { ...(name === undefined ? {} : { name }), arguments: text ?? '' },
      ...(extra ? { extra_content: extra } : {}),
    })),
  }
}
