import { context, describeCodec, readText } from '../codec.contract.ts'
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

describe('the end of a stream of Gemini', () => {
  const endsWell = (text: string) =>
    gemini.endsWell(new TextEncoder().encode(text).slice(-gemini.tailBytes))
  const USAGE = 'data: {"usageMetadata":{"totalTokenCount":9},"responseId":"r"}'
  const found = (characters: number) => {
    const html = '<a href="x">\\"finishReason\\": {['.repeat(characters / 30)
    const searchEntryPoint = { renderedContent: html }
    const groundingMetadata = { searchEntryPoint, groundingChunks: [{ web: { uri: 'u' } }] }
    const candidate = { content: { parts: [{ text: '.' }] }, finishReason: 'STOP' }
    const candidates = [{ ...candidate, groundingMetadata, index: 0 }]
    return `data: ${JSON.stringify({ candidates, usageMetadata: { totalTokenCount: 9 } })}`
  }

  it.each([9_000, 40_000])('is seen behind %i characters that a search found', (characters) => {
    expect(endsWell(`${chunk('a')}\n\n${found(characters)}\n\n`)).toBe(true)
  })

  it('is seen where the text of the last event fills the tail', () => {
    const long = chunk('x"{'.repeat(gemini.tailBytes), ',"finishReason":"STOP"')
    expect(endsWell(`${long}\n\n`)).toBe(true)
    expect(endsWell(`${long}\r\n\r\n${USAGE}\r\n\r\n`)).toBe(true)
  })

  it('is never seen in a last event that is cut anywhere', () => {
    const long = chunk('x"{'.repeat(gemini.tailBytes), `,"finishReason":"STOP","a":[{"b":"}]}"}]`)
    for (let cut = 1; cut < 200; cut++)
      expect([cut, endsWell(long.slice(0, -cut))]).toEqual([cut, false])
    const event = found(2_000)
    const cuts = Array.from({ length: event.length - 1 }, (_, at) => event.slice(0, at + 1))
    expect(cuts.filter((cut) => endsWell(`${chunk('a')}\n\n${cut}`))).toEqual([])
  })

  it('is seen in an event of the usage alone, behind the reason', () => {
    expect(endsWell(`${chunk('a')}\n\n${END}\n\n${USAGE}\n\n`)).toBe(true)
    expect(endsWell(`${chunk('a')}\n\n${USAGE}\n\n`)).toBe(false)
    expect(endsWell(`${END}\n\n${USAGE.slice(0, -1)}`)).toBe(false)
  })

  it('is not seen behind a reason where an error or another candidate follows', () => {
    const other = chunk('b').replace('"index":0', '"index":1')
    expect(endsWell(`${END}\n\n${other}\n\n`)).toBe(false)
    expect(endsWell(`${END}\n\ndata: {"error":{"code":503}}\n\n`)).toBe(false)
  })

  it('is not seen in arguments of a call that are named as the reason is', () => {
    const parts = [{ functionCall: { name: 'f', args: { finishReason: 'STOP' } } }]
    const text = JSON.stringify({ candidates: [{ content: { parts }, index: 0 }] })
    expect(endsWell(`data: ${text}\n\n`)).toBe(false)
    const pad = 'x'.repeat(gemini.tailBytes)
    expect(endsWell(`data: ${text.replace('"name":"f"', `"name":"${pad}"`)}\n\n`)).toBe(false)
  })
})

describe('ids and turns that other APIs refuse', () => {
  it('makes ids of calls of at most 40 characters, however long the id of the answer is', () => {
    const parts = [1, 2].map((a) => ({ functionCall: { name: 'f', args: { a } } }))
    const candidates = [{ content: { parts }, finishReason: 'STOP' }]
    const body = { responseId: 'r'.repeat(90), candidates }
    const whole = chat.readAnswer(body, context)
    const answered = whole.ok ? whole.value.choices[0]?.message.tool_calls : undefined
    const streamed = joined(readText(chat, `data: ${JSON.stringify(body)}\n\n`).chunks).calls
    const ids = (answered ?? []).map(({ id }) => id)
    expect(new Set(ids).size).toBe(2)
    expect(ids.filter((id) => id.length > 40)).toEqual([])
    expect(streamed.map(({ id }) => id)).toEqual(ids)
  })

  it('leaves a turn of the assistant out that says nothing', () => {
    const said = ['', null, []].map((content) => ({ role: 'assistant', content }))
    const messages = [{ role: 'user', content: 'a' }, ...said]
    const written = chat.writeRequest({ model: 'm', messages }, { lenient: false })
    expect(written).toMatchObject({ value: { body: { contents: [{ role: 'user' }] } } })
    expect(written.ok && written.value.body['contents']).toHaveLength(1)
  })
})
