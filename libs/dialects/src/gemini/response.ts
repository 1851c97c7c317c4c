import { type Result } from '@signalbox/model'
import { callId } from '../call-id.ts'
import {
  type AnswerChoice,
  type AnswerContext,
  type AnswerMessage,
  type ChatAnswer,
  type FinishReason,
  type Logprobs,
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
import { googleExtra } from './read-contents.ts'
import { argumentsOf } from './write-contents.ts'

/** Every other word of Gemini's says that it would not, or could not, go on. */
const FINISHES: Readonly<Record<string, FinishReason>> = { STOP: 'stop', MAX_TOKENS: 'length' }
const WORDS: Readonly<Record<FinishReason, string>> = {
  stop: 'STOP',
  tool_calls: 'STOP',
  length: 'MAX_TOKENS',
  content_filter: 'SAFETY',
}

export function readFinish(value: unknown, hasCalls: boolean): FinishReason | undefined {
  if (typeof value !== 'string' || value === 'FINISH_REASON_UNSPECIFIED') return undefined
  if (value === 'STOP' && hasCalls) return 'tool_calls'
  return (Object.hasOwn(FINISHES, value) ? FINISHES[value] : undefined) ?? 'content_filter'
}

export function writeFinish(reason: FinishReason): string {
  return WORDS[reason]
}

/** Gemini counts thoughts beside what it says, and what came from the cache within the prompt. */
export function readUsage(value: unknown): Usage | undefined {
  if (!isJson(value)) return undefined
  const reasoning = countIn(value, 'thoughtsTokenCount')
  return usageOf({
    prompt: countIn(value, 'promptTokenCount') + countIn(value, 'toolUsePromptTokenCount'),
    completion: countIn(value, 'candidatesTokenCount') + reasoning,
    cached: countIn(value, 'cachedContentTokenCount'),
    reasoning,
  })
}

export function writeUsage(usage: Usage): Json {
  const reasoning = usage.completion_tokens_details?.reasoning_tokens ?? 0
  const cached = usage.prompt_tokens_details?.cached_tokens ?? 0
  return {
    promptTokenCount: usage.prompt_tokens,
    candidatesTokenCount: Math.max(0, usage.completion_tokens - reasoning),
    totalTokenCount: usage.total_tokens,
    ...(cached > 0 ? { cachedContentTokenCount: cached } : {}),
    ...(reasoning > 0 ? { thoughtsTokenCount: reasoning } : {}),
  }
}

export function readLogprobs(value: unknown): Logprobs | undefined {
  const chosen = listIn(value, 'chosenCandidates')
  if (chosen.length === 0) return undefined
  const tops = listIn(value, 'topCandidates')
  const read = (one: unknown) => ({
    token: stringIn(one, 'token') ?? '',
    logprob: isJson(one) && typeof one['logProbability'] === 'number' ? one['logProbability'] : 0,
    bytes: null,
  })
  return {
    content: chosen.map((one, index) => ({
      ...read(one),
      top_logprobs: listIn(tops[index], 'candidates').map(read),
    })),
  }
}

export function writeLogprobs({ content }: Logprobs): Json {
  const write = ({ token, logprob }: { token: string; logprob: number }) => ({
    token,
    logProbability: logprob,
  })
  return {
    chosenCandidates: (content ?? []).map(write),
    topCandidates: (content ?? []).map((one) => ({ candidates: one.top_logprobs.map(write) })),
  }
}

/** Why the prompt itself was refused: then there is no candidate. */
export function isBlocked(body: Json): boolean {
  return stringIn(body['promptFeedback'], 'blockReason') !== undefined
}

export function readAnswer(body: unknown, context: AnswerContext): Result<ChatAnswer, Problem> {
  return translating(() => {
    if (!isJson(body)) refuse('body', 'must be an object')
    const id = nameIn(body, 'responseId') ?? context.id
    const candidates = listIn(body, 'candidates')
    const blocked = candidates.length === 0 && isBlocked(body)
    if (candidates.length === 0 && !blocked) refuse('candidates', 'is missing')
    const refused: AnswerChoice = {
      index: 0,
      message: { role: 'assistant', content: null },
      finish_reason: 'content_filter',
    }
    return compact({
      id,
      createdS: context.createdS,
      model: nameIn(body, 'modelVersion') ?? context.model,
      choices: blocked ? [refused] : candidates.map((one, index) => readChoice(one, { index, id })),
      usage: readUsage(body['usageMetadata']),
    })
  })
}

function readChoice(candidate: unknown, { index, id }: { index: number; id: string }) {
  const texts: string[] = []
  const thoughts: string[] = []
  const calls: ToolCall[] = []
  let signature: string | undefined
  for (const part of listIn(jsonIn(candidate, 'content'), 'parts')) {
    const text = stringIn(part, 'text')
    const called = jsonIn(part, 'functionCall')
    const signed = stringIn(part, 'thoughtSignature')
    if (called) calls.push(readCall(called, { id: callId(id, [index, calls.length]), signed }))
    else {
      signature = signed ?? signature
      if (text === undefined) continue
      if ((part as Json)['thought'] === true) thoughts.push(text)
      else texts.push(text)
    }
  }
  const message: AnswerMessage = compact({
    role: 'assistant' as const,
    content: texts.length > 0 ? texts.join('') : null,
    reasoning_content: thoughts.length > 0 ? thoughts.join('') : undefined,
    tool_calls: calls.length > 0 ? calls : undefined,
    extra_content: signature === undefined ? undefined : googleExtra(signature),
  })
  const value = isJson(candidate) ? candidate : {}
  return compact({
    index,
    message,
    finish_reason: readFinish(value['finishReason'], calls.length > 0) ?? ('stop' as const),
    logprobs: readLogprobs(value['logprobsResult']),
  })
}

function readCall(
  called: Json,
  { id, signed }: { id: string; signed: string | undefined },
): ToolCall {
  return compact({
    id: stringIn(called, 'id') ?? id,
    type: 'function' as const,
    function: {
      name: stringIn(called, 'name') ?? refuse('functionCall.name', 'is missing'),
      arguments: argumentsOf(called['args']),
    },
    extra_content: signed === undefined ? undefined : googleExtra(signed),
  })
}

export function writeAnswer(answer: ChatAnswer): string {
  return JSON.stringify(
    compact({
      candidates: answer.choices.map(({ index, message, finish_reason: reason, logprobs }) =>
        compact({
          content: { role: 'model', parts: writeParts(message) },
          finishReason: writeFinish(reason),
          index,
          logprobsResult: logprobs && writeLogprobs(logprobs),
        }),
      ),
      usageMetadata: answer.usage && writeUsage(answer.usage),
      modelVersion: answer.model,
      responseId: answer.id,
    }),
  )
}

function writeParts(message: AnswerMessage): readonly Json[] {
  const { reasoning_content: thought, extra_content: extra } = message
  const text = (message.content ?? '') + (message.refusal ?? '')
  const thoughtSignature = extra?.google.thought_signature
  return [
    ...(thought === undefined ? [] : [{ text: thought, thought: true }]),
    ...(text === '' ? [] : [compact({ text, thoughtSignature })]),
    ...(message.tool_calls ?? []).map(writeCall),
  ]
}

/** A model may write arguments that are no JSON; they stay as they are, for the client to judge. */
export function writeCall({ id, function: called, extra_content: extra }: ToolCall): Json {
  const { name, arguments: text } = called
  const args = text.trim() === '' ? {} : (parsedJson(text) ?? { invalid_arguments: text })
  const thoughtSignature = extra?.google.thought_signature
  return compact({ functionCall: { id, name, args }, thoughtSignature })
}
