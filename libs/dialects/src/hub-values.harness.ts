// Random values of the hub, of what a dialect can express, and what two of them have in common.
import fc from 'fast-check'
import {
  type AnswerChoice,
  type ChatAnswer,
  type ChatChunk,
  type ChatRequest,
  type Delta,
  usageOf,
} from './chat.ts'
import { type Json } from './fields.ts'

/** What a dialect can express beside text and calls of functions. */
export interface Can {
  /** Signed thoughts. */
  readonly thinking: boolean
  readonly images: 'data' | 'data and address' | 'beside one text' | 'none'
  readonly toolChoice: boolean
  readonly parallelSwitch: boolean
  readonly schema: boolean
  readonly seed: boolean
  readonly penalties: boolean
  readonly user: boolean
  readonly cachedTokens: boolean
  readonly reasoningTokens: boolean
  readonly cacheWrites: boolean
  readonly effort: boolean
}

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 24 })
const word = fc.stringMatching(/^[a-z][a-z0-9_]{0,11}$/)
const id = fc.stringMatching(/^call_[A-Za-z0-9]{4,12}$/)
const json = fc.dictionary(word, fc.oneof(text, fc.integer(), fc.boolean()), { maxKeys: 3 })
const image = 'data:image/png;base64,aGVsbG8='
const address = 'https://example.com/a.png'

function optional<Value>(can: boolean, value: fc.Arbitrary<Value>) {
  return can ? fc.option(value, { nil: undefined }) : fc.constant(undefined)
}

function parts(can: Can): fc.Arbitrary<unknown> {
  const urls = can.images === 'data and address' ? [image, address] : [image]
  const pictures = fc
    .constantFrom(...urls)
    .map((url) => ({ type: 'image_url', image_url: { url } }))
  const texts = text.map((one) => ({ type: 'text', text: one }))
  if (can.images === 'beside one text') {
    const beside = fc.array(pictures, { minLength: 1, maxLength: 2 })
    return fc.oneof(
      text,
      fc.tuple(fc.array(texts, { maxLength: 1 }), beside).map((both) => both.flat()),
    )
  }
  const some = can.images === 'none' ? texts : fc.oneof(texts, pictures)
  return fc.oneof(text, fc.array(some, { minLength: 1, maxLength: 3 }))
}

const tools = fc.uniqueArray(word, { minLength: 1, maxLength: 3 }).map((names) =>
  names.map((name) => ({
    type: 'function',
    function: {
      name,
      description: `does ${name}`,
      parameters: { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
    },
  })),
)

/** A turn of the assistant that calls functions, and their results behind it. */
const calling = fc
  .record({
    ids: fc.uniqueArray(id, { minLength: 1, maxLength: 3 }),
    name: word,
    args: json,
    said: text,
  })
  .map(({ ids, name, args, said }) => [
    {
      role: 'assistant',
      content: said,
      tool_calls: ids.map((one, index) => ({
        id: one,
        type: 'function',
        function: { name: `${name}${index}`, arguments: JSON.stringify(args) },
      })),
    },
    ...ids.map((one) => ({ role: 'tool', tool_call_id: one, content: `result of ${one}` })),
  ])

export function requests(can: Can): fc.Arbitrary<ChatRequest> {
  const turn = fc.oneof(
    parts(can).map((content) => [{ role: 'user', content }]),
    text.map((content) => [{ role: 'assistant', content }]),
    calling,
  )
  const system = text.map((content) => [{ role: 'system', content }])
  const messages = fc
    .tuple(fc.oneof(system, fc.constant([])), fc.array(turn, { maxLength: 4 }))
    .map(([first, turns]) => [...first, { role: 'user', content: 'begin' }, ...turns.flat()])
  const choices = fc.constantFrom('auto', 'required', 'none')
  return fc
    .record({
      messages,
      max_tokens: fc.integer({ min: 60_000, max: 90_000 }),
      temperature: optional(true, fc.constantFrom(0, 0.5, 1)),
      top_p: optional(true, fc.constantFrom(0.1, 0.9)),
      stop: optional(true, fc.array(word, { minLength: 1, maxLength: 2 })),
      stream: optional(true, fc.constant(true)),
      tools: optional(true, tools),
      tool_choice: optional(can.toolChoice, choices),
      parallel_tool_calls: optional(can.parallelSwitch, fc.constant(false)),
      seed: optional(can.seed, fc.nat()),
      presence_penalty: optional(can.penalties, fc.constantFrom(0.5, 1)),
      frequency_penalty: optional(can.penalties, fc.constantFrom(0.5, 1)),
      user: optional(can.user, word),
      reasoning_effort: optional(can.effort, fc.constantFrom('none', 'low', 'medium', 'high')),
      response_format: optional(
        can.schema,
        fc.constant({
          type: 'json_schema',
          json_schema: { name: 'answer', schema: { type: 'object', properties: {} } },
        }),
      ),
    })
    .map(({ tool_choice, parallel_tool_calls, ...rest }) => ({
      model: 'm1',
      ...rest,
      // Both say something of tools alone, and only where a choice is made can both be said.
      ...(rest.tools ? { tool_choice, parallel_tool_calls } : {}),
    }))
    .map(({ ...chat }) => JSON.parse(JSON.stringify(chat)) as ChatRequest)
}

/** What a request asks for, without the forms that mean the same. */
export function wantedOf(chat: ChatRequest): Json {
  const { messages, stream_options: _asked, thinking: _budget, ...rest } = chat
  const said: Record<string, unknown> = { ...rest }
  if (said['stream'] === false) delete said['stream']
  // Not to call in parallel says: call as you like, but one at a time.
  if (said['parallel_tool_calls'] === false) said['tool_choice'] ??= 'auto'
  if (said['tool_choice'] === 'none') delete said['parallel_tool_calls']
  return { ...said, messages: (messages as Json[]).map(plain) }
}

function plain(message: Json): Json {
  const { content } = message
  const only = Array.isArray(content) && content.length === 1 ? (content[0] as Json) : undefined
  return only?.['type'] === 'text' ? { ...message, content: only['text'] } : message
}

function usages(can: Can) {
  const count = fc.nat({ max: 1_000 })
  return fc
    .record({
      prompt: count,
      completion: count,
      cached: count,
      cacheWrite: count,
      reasoning: count,
    })
    .map((one) => {
      const cached = can.cachedTokens ? one.cached : 0
      const cacheWrite = can.cacheWrites ? one.cacheWrite : 0
      const reasoning = can.reasoningTokens ? one.reasoning : 0
      return usageOf({
        prompt: one.prompt + cached + cacheWrite,
        completion: one.completion + reasoning,
        cached,
        cacheWrite,
        reasoning,
      })
    })
}

const callOf = fc.record({ id, name: word, args: json })

export function answers(can: Can): fc.Arbitrary<ChatAnswer> {
  return fc
    .record({
      said: optional(true, text),
      thought: optional(can.thinking, text),
      calls: fc.uniqueArray(callOf, { maxLength: 3, selector: (call) => call.id }),
      finish: fc.constantFrom('stop' as const, 'length' as const, 'content_filter' as const),
      usage: usages(can),
    })
    .map(({ said, thought, calls, finish, usage }) => {
      const reason = calls.length > 0 ? 'tool_calls' : finish
      const choice: AnswerChoice = {
        index: 0,
        finish_reason: reason,
        message: {
          role: 'assistant',
          content: said ?? null,
          ...(thought === undefined
            ? {}
            : {
                reasoning_content: thought,
                thinking_blocks: [{ type: 'thinking', thinking: thought, signature: 'c2ln' }],
              }),
          ...(calls.length === 0
            ? {}
            : {
                tool_calls: calls.map((call) => ({
                  id: call.id,
                  type: 'function',
                  function: { name: call.name, arguments: JSON.stringify(call.args) },
                })),
              }),
        },
      }
      return { id: 'a1', createdS: 1_700_000_000, model: 'm1', choices: [choice], usage }
    })
}

/** As a server streams it: thoughts, text, calls one after another, the reason, the usage. */
export function chunkSequences(can: Can): fc.Arbitrary<readonly ChatChunk[]> {
  return fc
    .record({
      thoughts: fc.array(text, { maxLength: can.thinking ? 2 : 0 }),
      texts: fc.array(text, { minLength: 1, maxLength: 4 }),
      calls: fc.uniqueArray(callOf, { maxLength: 3, selector: (call) => call.id }),
      finish: fc.constantFrom('stop' as const, 'length' as const, 'content_filter' as const),
      usage: usages(can),
    })
    .map(({ thoughts, texts, calls, finish, usage }) => {
      const deltas: Delta[] = [
        ...thoughts.map((one) => ({ reasoning_content: one })),
        ...(thoughts.length > 0
          ? [{ thinking_blocks: [{ type: 'thinking' as const, signature: 'c2ln' }] }]
          : []),
        ...texts.map((content) => ({ content })),
        ...calls.flatMap(({ id: callId, name, args }, index) => {
          const written = JSON.stringify(args)
          const begun = { index, id: callId, name, arguments: '' }
          const half = Math.floor(written.length / 2)
          const rest = [written.slice(0, half), written.slice(half)]
          return [begun, ...rest.map((one) => ({ index, arguments: one }))].map((call) => ({
            tool_calls: [call],
          }))
        }),
      ]
      const chunk = (choices: ChatChunk['choices']): ChatChunk => ({
        id: 'a1',
        createdS: 1_700_000_000,
        model: 'm1',
        choices,
      })
      const reason = calls.length > 0 ? 'tool_calls' : finish
      return [
        ...deltas.map((delta) => chunk([{ index: 0, delta }])),
        chunk([{ index: 0, delta: {}, finish_reason: reason }]),
        { ...chunk([]), usage },
      ]
    })
}

/** What a stream said in all: how it was cut into chunks means nothing. */
export function joined(chunks: readonly ChatChunk[]) {
  const calls = new Map<number, { id: string; name: string; args: string }>()
  const all = { content: '', thoughts: '', signatures: '' }
  let finish: unknown
  let usage: unknown
  for (const chunk of chunks) {
    usage = chunk.usage ?? usage
    for (const { delta, finish_reason: reason } of chunk.choices) {
      finish = reason ?? finish
      all.content += delta.content ?? ''
      all.thoughts += delta.reasoning_content ?? ''
      for (const block of delta.thinking_blocks ?? []) all.signatures += block.signature ?? ''
      for (const call of delta.tool_calls ?? []) {
        const known = calls.get(call.index) ?? { id: '', name: '', args: '' }
        calls.set(call.index, {
          id: known.id + (call.id ?? ''),
          name: known.name + (call.name ?? ''),
          args: known.args + (call.arguments ?? ''),
        })
      }
    }
  }
  const said = [...calls].map(([index, { args, ...call }]) => ({
    ...call,
    index,
    args: JSON.parse(args) as unknown,
  }))
  return { ...all, calls: said, finish, usage }
}
