import { describeCodec, readText } from '../codec.contract.ts'
import { describeDialect } from '../dialect.contract.ts'
import { joined } from '../hub-values.harness.ts'
import { gemini } from './index.ts'

const chunk = (text: string, more = '') =>
  `data: {"candidates":[{"content":{"parts":[{"text":${JSON.stringify(text)}}]}${more},"index":0}]}`
const END = chunk('.', ',"finishReason":"STOP"')

describeDialect({
  dialect: gemini,
  wholeStreams: [
    `${chunk('a')}\n\n${END}\n\n`,
    `${chunk('a')}\r\n\r\n${END}\r\n\r\n`,
    `${chunk('a')}\n\n${END}`,
    'data: {"promptFeedback":{"blockReason":"SAFETY"}}\n\n',
  ],
  lists: [
    [{ models: [{ name: 'models/gemini-2.5-flash' }] }, ['gemini-2.5-flash']],
    [{ data: [{ id: 'models/gemini-2.5-flash' }, { id: 'other' }] }, ['gemini-2.5-flash', 'other']],
  ],
})

describeCodec({
  dialect: gemini,
  can: {
    thinking: false,
    images: 'data and address',
    toolChoice: true,
    parallelSwitch: false,
    schema: true,
    seed: true,
    penalties: true,
    user: false,
    cachedTokens: true,
    reasoningTokens: true,
    cacheWrites: false,
    effort: true,
  },
})

const { chat } = gemini

describe('a request from a client of Gemini', () => {
  const call = { lenient: false, model: 'm' }

  it('gives calls without ids one, and finds them again by the name of their results', () => {
    const called = (name: string) => ({ functionCall: { name, args: { a: 1 } } })
    const result = (name: string) => ({ functionResponse: { name, response: { output: name } } })
    const contents = [
      { role: 'model', parts: [called('f'), called('g'), called('f')] },
      { role: 'user', parts: [result('g'), result('f'), result('f')] },
    ]
    expect(chat.readRequest({ contents }, call)).toMatchObject({
      value: {
        chat: {
          messages: [
            { tool_calls: [{ id: 'call_0' }, { id: 'call_1' }, { id: 'call_2' }] },
            { role: 'tool', tool_call_id: 'call_1', content: 'g' },
            { role: 'tool', tool_call_id: 'call_0', content: 'f' },
            { role: 'tool', tool_call_id: 'call_2', content: 'f' },
          ],
        },
      },
    })
  })

  it('names tools that only Google runs', () => {
    const body = { contents: [], tools: [{ googleSearch: {} }] }
    expect(chat.readRequest(body, call)).toMatchObject({
      error: { field: 'tools[0].googleSearch' },
    })
  })
})

describe('a request for Gemini', () => {
  const write = (more: object) =>
    chat.writeRequest({ model: 'm', messages: [], ...more }, { lenient: false })

  it('carries the signature of a thought back with the call that it belongs to', () => {
    const extra = { google: { thought_signature: 's' } }
    const one = { id: 'a', function: { name: 'f', arguments: '{}' }, extra_content: extra }
    expect(write({ messages: [{ role: 'assistant', tool_calls: [one] }] })).toMatchObject({
      value: { body: { contents: [{ parts: [{ thoughtSignature: 's' }] }] }, dropped: [] },
    })
  })

  it('refuses a result that answers no call, because Gemini wants the name', () => {
    const messages = [{ role: 'tool', tool_call_id: 'x', content: '' }]
    expect(write({ messages })).toMatchObject({ error: { field: 'messages[0].tool_call_id' } })
  })

  it('thinks in tokens or levels, as the model knows it', () => {
    expect(write({ model: 'gemini-2.5-pro', reasoning_effort: 'low' })).toMatchObject({
      value: { body: { generationConfig: { thinkingConfig: { thinkingBudget: 4_096 } } } },
    })
    expect(write({ model: 'gemini-3-pro', reasoning_effort: 'low' })).toMatchObject({
      value: { body: { generationConfig: { thinkingConfig: { thinkingLevel: 'LOW' } } } },
    })
  })
})

describe('a stream of Gemini', () => {
  it('is whole when each candidate has its reason', () => {
    const two = chunk('b').replace('"index":0', '"index":1')
    const other = END.replace('"index":0', '"index":1')
    expect(readText(chat, `${chunk('a')}\n\n${two}\n\n${END}\n\n`).whole).toBe(false)
    expect(readText(chat, `${chunk('a')}\n\n${two}\n\n${END}\n\n${other}\n\n`).whole).toBe(true)
  })

  it('keeps calls of one name apart that have no ids', () => {
    const parts = [1, 2].map((a) => ({ functionCall: { name: 'f', args: { a } } }))
    const text = JSON.stringify({ candidates: [{ content: { parts }, finishReason: 'STOP' }] })
    const read = joined(readText(chat, `data: ${text}\n\n`).chunks)
    expect(new Set(read.calls.map(({ id }) => id)).size).toBe(2)
    expect(read).toMatchObject({ finish: 'tool_calls' })
  })
})
