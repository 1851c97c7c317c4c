import { type Result } from '@signalbox/model'
import {
  type AnswerChoice,
  type AnswerContext,
  type ChatAnswer,
  type FinishReason,
  type Logprobs,
  type ThinkingBlock,
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
  type Problem,
  refuse,
  nameIn,
  stringIn,
  translating,
} from '../fields.ts'

const FINISH_REASONS: Readonly<Record<string, FinishReason>> = {
  stop: 'stop',
  length: 'length',
  tool_calls: 'tool_calls',
  function_call: 'tool_calls',
  content_filter: 'content_filter',
}

export function readFinishReason(value: unknown): FinishReason | undefined {
  if (typeof value !== 'string') return undefined
  // Of servers that have words of their own: it ended, whatever made it.
  return Object.hasOwn(FINISH_REASONS, value) ? FINISH_REASONS[value] : 'stop'
}

/** OpenAI says `stop` of calls that a tool_choice forced; every other dialect tells them apart. */
export function withCalls(reason: FinishReason, hasCalls: boolean): FinishReason {
  return reason === 'stop' && hasCalls ? 'tool_calls' : reason
}

export function readUsage(value: unknown): Usage | undefined {
  if (!isJson(value)) return undefined
  return usageOf({
    prompt: countIn(value, 'prompt_tokens'),
    completion: countIn(value, 'completion_tokens'),
    cached: countIn(value['prompt_tokens_details'], 'cached_tokens'),
    cacheWrite: countIn(value['prompt_tokens_details'], 'cache_write_tokens'),
    reasoning: countIn(value['completion_tokens_details'], 'reasoning_tokens'),
  })
}

/** Thoughts as text: vLLM says `reasoning` of late, others `reasoning_content`. */
export function readReasoning(message: unknown): string | undefined {
  const text = stringIn(message, 'reasoning_content') ?? stringIn(message, 'reasoning')
  return text === '' ? undefined : text
}

export function readThinkingBlocks(message: unknown): readonly ThinkingBlock[] | undefined {
  const blocks = listIn(message, 'thinking_blocks').filter(isThinkingBlock)
  return blocks.length > 0 ? blocks : undefined
}

function isThinkingBlock(value: unknown): value is ThinkingBlock {
  const type = stringIn(value, 'type')
  return type === 'thinking' || type === 'redacted_thinking'
}

export function readLogprobs(value: unknown): Logprobs | undefined {
  return isJson(value) && Array.isArray(value['content'])
    ? (value as unknown as Logprobs)
    : undefined
}

export function readExtra(value: unknown): ToolCall['extra_content'] {
  const signature = stringIn(jsonIn(jsonIn(value, 'extra_content'), 'google'), 'thought_signature')
  return signature === undefined ? undefined : { google: { thought_signature: signature } }
}

export function readAnswer(body: unknown, context: AnswerContext): Result<ChatAnswer, Problem> {
  return translating(() => {
    if (!isJson(body) || !Array.isArray(body['choices'])) refuse('choices', 'is missing')
    const created = body['created']
    return compact({
      id: nameIn(body, 'id') ?? context.id,
      createdS: typeof created === 'number' ? created : context.createdS,
      model: nameIn(body, 'model') ?? context.model,
      choices: body['choices'].map(readChoice),
      usage: readUsage(body['usage']),
    })
  })
}

function readChoice(choice: unknown, position: number): AnswerChoice {
  const message = jsonIn(choice, 'message')
  if (!isJson(choice) || !message) refuse(`choices[${position}].message`, 'is missing')
  const calls = listIn(message, 'tool_calls')
  const refusal = stringIn(message, 'refusal')
  const reason = readFinishReason(choice['finish_reason']) ?? 'stop'
  return compact({
    index: position,
    message: compact({
      role: 'assistant' as const,
      content: stringIn(message, 'content') ?? null,
      refusal,
      reasoning_content: readReasoning(message),
      thinking_blocks: readThinkingBlocks(message),
      tool_calls: calls.length > 0 ? calls.map(readCall) : undefined,
      extra_content: readExtra(message),
    }),
    finish_reason: withCalls(reason, calls.length > 0),
    logprobs: readLogprobs(choice['logprobs']),
    stop_reason: stringIn(choice, 'stop_reason'),
  })
}

function readCall(call: unknown, index: number): ToolCall {
  const name = stringIn(jsonIn(call, 'function'), 'name')
  if (name === undefined) refuse(`tool_calls[${index}].function.name`, 'is missing')
  return compact({
    id: stringIn(call, 'id') ?? `call_${index}`,
    type: 'function' as const,
    function: { name, arguments: argumentsOf(jsonIn(call, 'function') ?? {}) },
    extra_content: readExtra(call),
  })
}

/** Some servers write an object where OpenAI has its text. */
function argumentsOf(call: Json): string {
  const given = call['arguments']
  return typeof given === 'string' ? given : JSON.stringify(given ?? {})
}

export function writeAnswer(answer: ChatAnswer): string {
  const { id, createdS, model, choices, usage } = answer
  return JSON.stringify({
    id,
    object: 'chat.completion',
    created: createdS,
    model,
    choices: choices.map(({ index, message, finish_reason, logprobs, stop_reason }) => ({
      index,
      message: { ...message, refusal: message.refusal ?? null },
      logprobs: logprobs ?? null,
      finish_reason,
      ...(stop_reason === undefined ? {} : { stop_reason }),
    })),
    ...(usage ? { usage } : {}),
  })
}
