// What `npm run fuzz` found, by name: bodies that no honest client or server sends.
import { readText, writeChunks } from './codec.contract.ts'
import { DEPTH_MAX, jsonOf, parsedJson } from './fields.ts'
import { dialectNamed } from './kinds.ts'

const NAMES = ['openai', 'anthropic', 'gemini', 'ollama'] as const
const nested = (depth: number) => '{"a":['.repeat(depth / 2) + ']}'.repeat(depth / 2)
const DEEP = nested(40_000)

describe('a text that is nested deeply', () => {
  it('is read as far as it can be written again', () => {
    expect(JSON.stringify(jsonOf(nested(DEPTH_MAX)))).toBe(nested(DEPTH_MAX))
    expect(jsonOf(nested(DEPTH_MAX + 2))).toBeUndefined()
    expect(parsedJson(DEEP)).toBeUndefined()
  })

  it('is told from one whose strings hold brackets and quotes', () => {
    const value = { a: '[{"\\'.repeat(DEPTH_MAX), b: ['\\', '"', '{'], c: [[]] }
    expect(jsonOf(JSON.stringify(value))).toEqual(value)
  })

  it.each(NAMES)('is no arguments of a call to %s, and is refused by name', (name) => {
    const call = { id: 'c', type: 'function', function: { name: 'f', arguments: DEEP } }
    const messages = [{ role: 'assistant', content: null, tool_calls: [call] }]
    const { chat } = dialectNamed(name)
    const written = chat.writeRequest({ model: 'm', messages }, { lenient: true })
    // OpenAI has them as a text, which stays as it is.
    if (name === 'openai') return expect(written.ok).toBe(true)
    const field = 'messages[0].tool_calls[0].function.arguments'
    expect(written).toMatchObject({ ok: false, error: { field } })
  })

  it.each(NAMES)('is said to a client of %s as what a model wrote, if it did', (name) => {
    const call = { id: 'c', type: 'function' as const, function: { name: 'f', arguments: DEEP } }
    const message = { role: 'assistant' as const, content: null, tool_calls: [call] }
    const choices = [{ index: 0, message, finish_reason: 'tool_calls' as const }]
    const text = dialectNamed(name).chat.writeAnswer({ id: 'a', createdS: 0, model: 'm', choices })
    expect(JSON.parse(text)).toBeInstanceOf(Object)
  })

  it('fails a stream in place of the process', () => {
    const args = `{"index":0,"id":"c","function":{"name":"f","arguments":${DEEP}}}`
    const chunk = `data: {"choices":[{"index":0,"delta":{"tool_calls":[${args}]}}]}\n\n`
    expect(readText(dialectNamed('openai').chat, chunk).failed).toBeDefined()
    const line = `{"message":{"tool_calls":[{"function":{"name":"f","arguments":${DEEP}}}]}}\n`
    expect(readText(dialectNamed('ollama').chat, line).failed).toBeDefined()
  })
})

describe('a stream with members of other types', () => {
  it('is read without parts that are none', () => {
    const body = { candidates: [{ content: { parts: [null, 5, { text: 'a' }] } }] }
    const read = readText(dialectNamed('gemini').chat, `data: ${JSON.stringify(body)}\n\n`)
    expect(read.chunks[0]?.choices[0]?.delta.content).toBe('a')
  })

  it('is handed on under our own id, where its own is longer than any end that is looked for', () => {
    const { chat, endsWell, tailBytes } = dialectNamed('gemini')
    const candidates = [{ content: { parts: [{ text: 'a' }] }, finishReason: 'STOP', index: 0 }]
    const body = { candidates, responseId: 'r'.repeat(tailBytes) }
    const { chunks, whole } = readText(chat, `data: ${JSON.stringify(body)}\n\n`)
    const text = new TextEncoder().encode(writeChunks(chat, chunks))
    expect([whole, endsWell(text.slice(-tailBytes))]).toEqual([true, true])
  })

  it('fails at a block whose type is an object that is no text', () => {
    const start = { type: 'content_block_start', index: 0, content_block: { type: null } }
    const text = JSON.stringify(start).replace('null', '{"toString":null}')
    const event = `event: content_block_start\ndata: ${text}\n\n`
    expect(readText(dialectNamed('anthropic').chat, event).failed).toBeDefined()
  })
})

it('refuses a model whose name has half a character, which no path can hold', () => {
  const messages = [{ role: 'user', content: 'a' }]
  const { chat } = dialectNamed('gemini')
  expect(chat.writeRequest({ model: 'm\ud83d', messages }, { lenient: false })).toMatchObject({
    error: { field: 'model' },
  })
})
