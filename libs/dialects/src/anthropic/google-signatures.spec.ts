import { type ChatChunk } from '../chat.ts'
import { context, writeChunks } from '../codec.contract.ts'
import { type Json, jsonIn, listIn } from '../fields.ts'
import { gemini } from '../gemini/index.ts'
import { anthropic } from './index.ts'

const extra = (signature: string) => ({
  extra_content: { google: { thought_signature: signature } },
})
const CALLS = ['f', 'g'].map((name) => ({
  id: `call_${name}`,
  type: 'function' as const,
  function: { name, arguments: '{}' },
}))
/** As Gemini signs: the text, and of parallel calls the first. */
const SIGNED_PARTS = [
  { text: 'x', thoughtSignature: 't+/=' },
  { functionCall: { id: 'call_f', name: 'f', args: {} }, thoughtSignature: 'c+/=' },
  { functionCall: { id: 'call_g', name: 'g', args: {} } },
]

/** What Gemini is sent of a turn that a client of Anthropic got and sends back. */
function backAtGemini(content: unknown) {
  const messages = [
    { role: 'user', content: 'a' },
    { role: 'assistant', content },
  ]
  const read = anthropic.chat.readRequest(
    { model: 'm', max_tokens: 9, messages },
    { lenient: false },
  )
  if (!read.ok) throw new Error(read.error.field)
  const written = gemini.chat.writeRequest(read.value.chat, { lenient: false })
  if (!written.ok) throw new Error(written.error.field)
  const turn = listIn(written.value.body, 'contents')[1]
  return { parts: listIn(turn, 'parts'), dropped: written.value.dropped }
}

/** The blocks of a stream, as Anthropic's packages put them together. */
function blocksOf(stream: string): readonly Json[] {
  const blocks: Record<string, unknown>[] = []
  for (const line of stream.split('\n').filter((one) => one.startsWith('data: '))) {
    const event = JSON.parse(line.slice('data: '.length)) as Json
    const started = jsonIn(event, 'content_block')
    if (started) blocks.push({ ...started })
    const { type: _type, partial_json: _json, ...delta } = jsonIn(event, 'delta') ?? {}
    if (event['type'] !== 'content_block_delta') continue
    for (const [name, text] of Object.entries(delta)) {
      const block = blocks.at(-1) ?? {}
      block[name] = `${String(block[name])}${String(text)}`
    }
  }
  return blocks
}

describe('signatures of Gemini at clients of Anthropic', () => {
  it('come back with the text and the call that they sign', () => {
    const [first, second] = CALLS
    if (!first || !second) throw new Error('two calls')
    const calls = [{ ...first, ...extra('c+/=') }, second]
    const message = {
      role: 'assistant' as const,
      content: 'x',
      tool_calls: calls,
      ...extra('t+/='),
    }
    const choices = [{ index: 0, message, finish_reason: 'tool_calls' as const }]
    const answer = { id: 'a', createdS: 0, model: 'm', choices }
    const content = listIn(JSON.parse(anthropic.chat.writeAnswer(answer)), 'content')
    expect(content[0]).toEqual({ type: 'text', text: 'x' })
    expect(backAtGemini(content)).toEqual({ parts: SIGNED_PARTS, dropped: [] })
  })

  it('come back out of a stream', () => {
    const delta = (one: ChatChunk['choices'][0]['delta']): ChatChunk => ({
      ...context,
      choices: [{ index: 0, delta: one }],
    })
    const calls = CALLS.map(({ id, function: called }, index) => ({ index, id, ...called }))
    const [first, second] = calls
    if (!first || !second) throw new Error('two calls')
    const stream = writeChunks(anthropic.chat, [
      delta({ content: 'x' }),
      delta(extra('t+/=')),
      delta({ tool_calls: [{ ...first, ...extra('c+/=') }, second] }),
    ])
    expect(backAtGemini(blocksOf(stream))).toEqual({ parts: SIGNED_PARTS, dropped: [] })
  })

  it('leave the thoughts of others as they are', () => {
    const thought = { type: 'thinking', thinking: 'hm', signature: 'c2ln' }
    const messages = [{ role: 'assistant', content: [thought] }]
    const read = anthropic.chat.readRequest(
      { model: 'm', max_tokens: 9, messages },
      { lenient: false },
    )
    expect(read).toMatchObject({ value: { chat: { messages: [{ thinking_blocks: [thought] }] } } })
  })
})
