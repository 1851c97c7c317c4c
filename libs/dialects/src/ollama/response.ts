import { type Result } from '@signalbox/model'
import { callId } from '../call-id.ts'
import {
  type AnswerContext,
  type AnswerMessage,
  type ChatAnswer,
  type FinishReason,
  type Logprobs,
  type TokenLogprob,
  type ToolCall,
  type Usage,
  usageOf,
} from '../chat.ts'
import {
  compact,
  countIn,
  isJson,
  type Json,
  jsonIn,
  listIn,
  parsedJson,
  type Problem,
  refuse,
  nameIn,
  stringIn,
  translating,
} from '../fields.ts'
import { argumentsOf } from './read-messages.ts'
import { isoTime } from '../iso-time.ts'

/** It has `stop` and `length`; any other word of a server's says that it ended. */
const FINISHES: Readonly<Record<string, FinishReason>> = {
  length: 'length',
  content_filter: 'content_filter',
}

export function readFinish(value: unknown, hasCalls: boolean): FinishReason {
  const known = typeof value === 'string' && Object.hasOwn(FINISHES, value)
  return (known ? FINISHES[value] : undefined) ?? (hasCalls ? 'tool_calls' : 'stop')
}

export function writeFinish(reason: FinishReason): string {
  return reason === 'tool_calls' ? 'stop' : reason
}

/** A count that is nought is left out: of a prompt that was all in the cache, for one. */
export function readUsage(body: Json): Usage | undefined {
  if (body['prompt_eval_count'] === undefined && body['eval_count'] === undefined) return undefined
  return usageOf({
    prompt: countIn(body, 'prompt_eval_count'),
    completion: countIn(body, 'eval_count'),
    cached: 0,
    reasoning: 0,
  })
}

export function writeUsage(usage: Usage | undefined): Json {
  if (!usage) return {}
  return { prompt_eval_count: usage.prompt_tokens, eval_count: usage.completion_tokens }
}

export function readLogprobs(body: Json): Logprobs | undefined {
  const tokens = listIn(body, 'logprobs')
  if (tokens.length === 0) return undefined
  const read = (one: unknown) => ({
    token: stringIn(one, 'token') ?? '',
    logprob: isJson(one) && typeof one['logprob'] === 'number' ? one['logprob'] : 0,
    bytes: (isJson(one) && Array.isArray(one['bytes'])
      ? one['bytes']
      : null) as TokenLogprob['bytes'],
  })
  return {
    content: tokens.map((one) => ({
      ...read(one),
      top_logprobs: listIn(one, 'top_logprobs').map(read),
    })),
  }
}

export function writeLogprobs(logprobs: Logprobs | undefined): Json {
  return logprobs?.content ? { logprobs: logprobs.content } : {}
}

/** Calls of a message or of a line of a stream, the first of which has this place. */
export function readCalls(message: unknown, answerId: string, first = 0): readonly ToolCall[] {
  return listIn(message, 'tool_calls').map((call, index) => {
    const given = jsonIn(call, 'function')
    const name = stringIn(given, 'name')
    if (name === undefined) refuse(`tool_calls[${index}].function.name`, 'is missing')
    return {
      id: stringIn(call, 'id') || callId(answerId, [0, first + index]),
      type: 'function',
      function: { name, arguments: argumentsOf(given?.['arguments']) },
    }
  })
}

export function readAnswer(body: unknown, context: AnswerContext): Result<ChatAnswer, Problem> {
  return translating(() => {
    const message = jsonIn(body, 'message')
    if (!isJson(body) || !message) refuse('message', 'is missing')
    const calls = readCalls(message, context.id)
    const read: AnswerMessage = compact({
      role: 'assistant' as const,
      content: stringIn(message, 'content') || null,
      reasoning_content: stringIn(message, 'thinking') || undefined,
      tool_calls: calls.length > 0 ? calls : undefined,
    })
    const choice = compact({
      index: 0,
      message: read,
      finish_reason: readFinish(body['done_reason'], calls.length > 0),
      logprobs: readLogprobs(body),
    })
    return compact({
      id: context.id,
      createdS: context.createdS,
      model: nameIn(body, 'model') ?? context.model,
      choices: [choice],
      usage: readUsage(body),
    })
  })
}

export function writeAnswer(answer: ChatAnswer): string {
  return wholeAnswer(answer, (message) => ({ message: writeMessage(message) }))
}

/** `say` puts what was said where the path has it. */
export function wholeAnswer(
  { model, createdS, choices: [choice], usage }: ChatAnswer,
  say: (message: AnswerMessage) => Json,
): string {
  return JSON.stringify({
    model,
    created_at: isoTime(createdS),
    ...say(choice?.message ?? { role: 'assistant', content: null }),
    done: true,
    done_reason: writeFinish(choice?.finish_reason ?? 'stop'),
    ...writeUsage(usage),
    ...writeLogprobs(choice?.logprobs),
  })
}

export function textOf({ content, refusal }: Pick<AnswerMessage, 'content' | 'refusal'>): string {
  return (content ?? '') + (refusal ?? '')
}

function writeMessage(message: AnswerMessage): Json {
  const { tool_calls: calls, reasoning_content: thinking } = message
  return compact({
    role: 'assistant',
    content: textOf(message),
    thinking,
    tool_calls: calls?.map(writeCall),
  })
}

/** A model may write arguments that are no JSON; they stay as they are, for the client to judge. */
export function writeCall({ id, function: { name, arguments: text } }: ToolCall): Json {
  const args = text.trim() === '' ? {} : (parsedJson(text) ?? { invalid_arguments: text })
  return { id, function: { name, arguments: args } }
}
