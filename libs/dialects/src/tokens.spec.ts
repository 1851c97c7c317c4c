import fc from 'fast-check'
import { type Dialect } from './dialect.ts'
import { dialectNamed } from './kinds.ts'
import { TOKENS_HEAD_BYTES, TOKENS_STREAM_TAIL_BYTES, TOKENS_TAIL_BYTES } from './tokens.ts'

const [openai, anthropic, gemini] = (['openai', 'anthropic', 'gemini'] as const).map(
  dialectNamed,
) as [Dialect, Dialect, Dialect]

function ofAnswer(dialect: Dialect, text: string) {
  const bytes = Buffer.from(text)
  const tail = bytes.subarray(-TOKENS_TAIL_BYTES)
  return dialect.readTokens({ head: Buffer.alloc(0), tail, events: false })
}

function ofStream(dialect: Dialect, events: readonly object[], end = '') {
  const bytes = Buffer.from(events.map((one) => `data: ${JSON.stringify(one)}\n\n`).join('') + end)
  const head = bytes.subarray(0, TOKENS_HEAD_BYTES)
  return dialect.readTokens({ head, tail: bytes.subarray(-TOKENS_STREAM_TAIL_BYTES), events: true })
}

const DONE = 'data: [DONE]\n\n'
const usage = {
  prompt_tokens: 11,
  completion_tokens: 7,
  total_tokens: 18,
  prompt_tokens_details: { cached_tokens: 4, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 3 },
}
const all = { prompt: 11, completion: 7, cached: 4, reasoning: 3 }

describe('tokens of OpenAI', () => {
  it('stand in an answer, whatever is written behind them', () => {
    const answer = { id: 'c', choices: [{ message: { content: 'Hi' } }], usage }
    expect(ofAnswer(openai, JSON.stringify(answer))).toEqual(all)
    const more = { ...answer, system_fingerprint: 'f', timings: { a: [1, { b: '}"{' }] } }
    expect(ofAnswer(openai, JSON.stringify(more, null, 2))).toEqual(all)
  })

  it('stand in the last chunk of a stream, or in every one', () => {
    const chunk = (more: object) => ({ choices: [{ delta: { content: 'a' } }], ...more })
    expect(ofStream(openai, [chunk({ usage: null }), { choices: [], usage }], DONE)).toEqual(all)
    const sofar = { ...usage, completion_tokens: 1 }
    expect(ofStream(openai, [chunk({ usage: sofar }), chunk({ usage })], DONE)).toEqual(all)
  })

  it('are read in the words of responses, inside of its event too', () => {
    const counts = {
      ...{ input_tokens: 11, input_tokens_details: { cached_tokens: 4 } },
      ...{ output_tokens: 7, output_tokens_details: { reasoning_tokens: 3 }, total_tokens: 18 },
    }
    const response = { id: 'resp_1', output: [], usage: counts, user: null, metadata: {} }
    expect(ofAnswer(openai, JSON.stringify(response))).toEqual(all)
    expect(ofStream(openai, [{ type: 'response.completed', response }])).toEqual(all)
  })

  it('are those of the prompt alone for embeddings and ranks', () => {
    const one = { data: [], usage: { prompt_tokens: 5, total_tokens: 5 } }
    const none = { completion: null, cached: null, reasoning: null }
    expect(ofAnswer(openai, JSON.stringify(one))).toEqual({ prompt: 5, ...none })
    const rank = { results: [], usage: { total_tokens: 9 } }
    expect(ofAnswer(openai, JSON.stringify(rank))).toEqual({ prompt: 9, ...none })
  })

  it.each([
    ['no usage', { choices: [] }],
    ['a usage of null', { choices: [], usage: null }],
    ['one without counts', { choices: [], usage: { cost: 1 } }],
    ['counts that are none', { choices: [], usage: { prompt_tokens: '7', total_tokens: -1 } }],
    ['text that looks like it', { choices: [{ text: ',"usage":{"prompt_tokens":1}}' }] }],
    ['a tool that has a usage', { choices: [{ x: { usage: { prompt_tokens: 1 } } }], a: 1 }],
  ])('are not known of an answer with %s', (_what, body) => {
    expect(ofAnswer(openai, JSON.stringify(body))).toBeUndefined()
    expect(ofStream(openai, [body], DONE)).toBeUndefined()
  })

  it('are not guessed of an answer that broke off', () => {
    const text = JSON.stringify({ choices: [], usage })
    expect(ofAnswer(openai, text.slice(0, -1))).toBeUndefined()
    expect(ofAnswer(openai, text.slice(0, -9))).toBeUndefined()
  })
})

describe('tokens of Anthropic', () => {
  const counts = { input_tokens: 7, cache_read_input_tokens: 3, cache_creation_input_tokens: 1 }
  const first = { ...counts, output_tokens: 1 }
  const start = { type: 'message_start', message: { id: 'm', content: [], usage: first } }
  const end = { type: 'message_delta', delta: {}, usage: { output_tokens: 5 } }

  it('count the cache within the prompt', () => {
    const answer = { type: 'message', content: [], usage: { ...counts, output_tokens: 5 } }
    const read = { prompt: 11, completion: 5, cached: 3, reasoning: null }
    expect(ofAnswer(anthropic, JSON.stringify(answer))).toEqual(read)
  })

  it('stand at both ends of a stream, where the later ones count', () => {
    const text = { type: 'content_block_delta', delta: { text: 'x'.repeat(9_000) } }
    const stop = { type: 'message_stop' }
    const read = { prompt: 11, completion: 5, cached: 3, reasoning: null }
    expect(ofStream(anthropic, [start, text, end, stop])).toEqual(read)
    const late = {
      ...end,
      usage: { output_tokens: 6, input_tokens: 9, cache_read_input_tokens: 0 },
    }
    expect(ofStream(anthropic, [start, text, late, stop])).toMatchObject({ prompt: 10, cached: 0 })
  })

  it('are as far as a stream came that broke off', () => {
    expect(ofStream(anthropic, [start])).toMatchObject({ prompt: 11, completion: null })
  })

  it('are not those of a tool that has such a member', () => {
    const input = { usage: { input_tokens: 99, output_tokens: 99 } }
    const answer = { content: [{ type: 'tool_use', input }], stop_reason: 'tool_use' }
    expect(ofAnswer(anthropic, JSON.stringify(answer))).toBeUndefined()
  })
})

describe('tokens of Gemini', () => {
  const usageMetadata = {
    ...{ promptTokenCount: 11, candidatesTokenCount: 4, thoughtsTokenCount: 3 },
    ...{ cachedContentTokenCount: 4, promptTokensDetails: [{ modality: 'TEXT', tokenCount: 11 }] },
  }
  const body = { candidates: [{ content: {} }], usageMetadata, modelVersion: 'g' }

  it('count thoughts within what was said', () => {
    expect(ofAnswer(gemini, JSON.stringify(body))).toEqual(all)
    expect(ofAnswer(gemini, JSON.stringify([{ candidates: [] }, body], null, 1))).toEqual(all)
  })

  it('are those of the last event that has them', () => {
    const before = { ...body, usageMetadata: { promptTokenCount: 11 } }
    expect(ofStream(gemini, [before, body])).toEqual(all)
    expect(ofStream(gemini, [before])).toMatchObject({ prompt: 11, completion: null })
  })
})

describe('tokens', () => {
  it('are read of any bytes without a throw, and soon', () => {
    const piece = fc.constantFrom(
      '"usage"',
      ':{',
      '}',
      ']',
      '[',
      ',',
      '"',
      '\\',
      '\n',
      'data: ',
      '1',
    )
    const text = fc.array(piece, { maxLength: 200 }).map((parts) => parts.join(''))
    fc.assert(
      fc.property(text, (one) => {
        const bytes = Buffer.from(one)
        for (const dialect of [openai, anthropic, gemini]) {
          for (const events of [true, false]) {
            expect(() => dialect.readTokens({ head: bytes, tail: bytes, events })).not.toThrow()
          }
        }
      }),
    )
  })
})
