import { type Result } from '@signalbox/model'
import {
  type AnswerChoice,
  type AnswerContext,
  type AnswerMessage,
  type ChatAnswer,
  type FinishReason,
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
  parsedJson,
  type Problem,
  refuse,
  nameIn,
  stringIn,
  translating,
} from '../fields.ts'
import { signatureBlocks } from './google-signatures.ts'

const FINISHES: Readonly<Record<string, FinishReason>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  pause_turn: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool_calls',
  refusal: 'content_filter',
}

export function readStopReason(value: unknown): FinishReason | undefined {
  if (typeof value !== 'string') return undefined
  return Object.hasOwn(FINISHES, value) ? FINISHES[value] : 'stop'
}

export function writeStopReason(reason: FinishReason, sequence: string | undefined): string {
  if (reason === 'length') return 'max_tokens'
  if (reason === 'tool_calls') return 'tool_use'
  if (reason === 'content_filter') return 'refusal'
  return sequence === undefined ? 'end_turn' : 'stop_sequence'
}

/** Anthropic counts what came from or went into the cache beside the input, the hub within it. */
export function readUsage(value: unknown): Usage | undefined {
  if (!isJson(value)) return undefined
  const cached = countIn(value, 'cache_read_input_tokens')
  const cacheWrite = countIn(value, 'cache_creation_input_tokens')
  return usageOf({
    prompt: countIn(value, 'input_tokens') + cached + cacheWrite,
    completion: countIn(value, 'output_tokens'),
    cached,
    cacheWrite,
    reasoning: countIn(value['output_tokens_details'], 'thinking_tokens'),
  })
}

export function writeUsage(usage: Usage | undefined): Json {
  const cached = usage?.prompt_tokens_details?.cached_tokens ?? 0
  const written = usage?.prompt_tokens_details?.cache_write_tokens ?? 0
  const thinking = usage?.completion_tokens_details?.reasoning_tokens ?? 0
  return {
    input_tokens: Math.max(0, (usage?.prompt_tokens ?? 0) - cached - written),
    cache_creation_input_tokens: written,
    cache_read_input_tokens: cached,
    output_tokens: usage?.completion_tokens ?? 0,
    ...(thinking > 0 ? { output_tokens_details: { thinking_tokens: thinking } } : {}),
  }
}

export function readAnswer(body: unknown, context: AnswerContext): Result<ChatAnswer, Problem> {
  return translating(() => {
    if (!isJson(body) || !Array.isArray(body['content'])) refuse('content', 'is missing')
    return compact({
      id: nameIn(body, 'id') ?? context.id,
      createdS: context.createdS,
      model: nameIn(body, 'model') ?? context.model,
      choices: [readChoice(body, body['content'])],
      usage: readUsage(body['usage']),
    })
  })
}

function readChoice(body: Json, blocks: readonly unknown[]): AnswerChoice {
  const texts: string[] = []
  const thoughts: ThinkingBlock[] = []
  const calls: ToolCall[] = []
  blocks.forEach((block, index) => {
    const type = stringIn(block, 'type')
    if (type === 'text') texts.push(stringIn(block, 'text') ?? '')
    else if (type === 'tool_use') calls.push(readCall(block as Json, index))
    else if (type === 'thinking' || type === 'redacted_thinking') {
      thoughts.push(readThought(block, type))
    } else refuse(`content[${index}].type`, 'is not known')
  })
  const thought = thoughts.map(({ thinking }) => thinking ?? '').join('')
  const message: AnswerMessage = compact({
    role: 'assistant' as const,
    content: texts.length > 0 ? texts.join('') : null,
    reasoning_content: thought === '' ? undefined : thought,
    thinking_blocks: thoughts.length > 0 ? thoughts : undefined,
    tool_calls: calls.length > 0 ? calls : undefined,
  })
  return compact({
    index: 0,
    message,
    finish_reason: readStopReason(body['stop_reason']) ?? 'stop',
    stop_reason: stringIn(body, 'stop_sequence'),
  })
}

export function readThought(block: unknown, type: ThinkingBlock['type']): ThinkingBlock {
  return compact({
    type,
    thinking: stringIn(block, 'thinking'),
    signature: stringIn(block, 'signature'),
    data: stringIn(block, 'data'),
  })
}

function readCall(block: Json, index: number): ToolCall {
  const name = stringIn(block, 'name')
  if (name === undefined) refuse(`content[${index}].name`, 'is missing')
  return {
    id: stringIn(block, 'id') ?? `call_${index}`,
    type: 'function',
    function: { name, arguments: JSON.stringify(block['input'] ?? {}) },
  }
}

export function writeAnswer(answer: ChatAnswer): string {
  const [choice] = answer.choices
  const reason = choice?.finish_reason ?? 'stop'
  const sequence = choice?.stop_reason
  return JSON.stringify({
    id: answer.id,
    type: 'message',
    role: 'assistant',
    model: answer.model,
    content: choice ? writeBlocks(choice.message) : [],
    stop_reason: writeStopReason(reason, sequence),
    stop_sequence: reason === 'stop' ? (sequence ?? null) : null,
    usage: writeUsage(answer.usage),
  })
}

function writeBlocks(message: AnswerMessage): readonly Json[] {
  const { content, refusal, reasoning_content: reasoning, thinking_blocks: thoughts } = message
  const unsigned = reasoning === undefined ? [] : [unsignedThought(reasoning)]
  const text = (content ?? '') + (refusal ?? '')
  return [
    ...(thoughts ? thoughts.map((one) => ({ ...one })) : unsigned),
    ...(text === '' ? [] : [{ type: 'text', text }]),
    ...signatureBlocks('text', message.extra_content),
    ...(message.tool_calls ?? []).flatMap((call) => [
      ...signatureBlocks('call', call.extra_content),
      writeCall(call),
    ]),
  ]
}

/** A thought that no signature proves: an empty one says so, and is left out on its way back. */
function unsignedThought(thinking: string): Json {
  return { type: 'thinking', thinking, signature: '' }
}

/** A model may write arguments that are no JSON; they stay as they are, for the client to judge. */
function writeCall({ id, function: called }: ToolCall): Json {
  const { name, arguments: text } = called
  const input = text.trim() === '' ? {} : (parsedJson(text) ?? { invalid_arguments: text })
  return { type: 'tool_use', id, name, input }
}
