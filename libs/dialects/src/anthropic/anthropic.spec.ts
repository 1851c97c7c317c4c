import { context, describeCodec, readText } from '../codec.contract.ts'
import { describeDialect } from '../dialect.contract.ts'
import { joined } from '../hub-values.harness.ts'
import { anthropic } from './index.ts'

const START = 'event: message_start\ndata: {"type":"message_start","message":{}}\n\n'
const STOP = 'event: message_stop\ndata: {"type":"message_stop"}'

describeDialect({
  dialect: anthropic,
  wholeStreams: [
    `${START}${STOP}\n\n`,
    `${START}${STOP}`,
    `${START}${STOP}\n\n\n`,
    `${START}event: message_stop\ndata: {"type": "message_stop", "extra": 1}\n\n`,
    `${START}${STOP}\n\n`.replaceAll('\n', '\r\n'),
  ],
  lists: [
    [{ data: [{ type: 'model', id: 'claude-x' }], has_more: false }, ['claude-x']],
    [{ data: [] }, []],
  ],
})

describeCodec({
  dialect: anthropic,
  can: {
    thinking: true,
    images: 'data and address',
    toolChoice: true,
    parallelSwitch: true,
    schema: true,
    seed: false,
    penalties: false,
    user: true,
    cachedTokens: true,
    reasoningTokens: true,
    cacheWrites: true,
    effort: true,
  },
})

const { chat } = anthropic
const ask = (more: object) => ({ model: 'm', messages: [{ role: 'user', content: 'x' }], ...more })
const strict = { lenient: false }
const written = (more: object) => {
  const result = chat.writeRequest(ask(more), strict)
  return result.ok ? result.value.body : result.error
}
const read = (more: object, lenient = false) => {
  const result = chat.readRequest(ask({ max_tokens: 9, ...more }), { lenient })
  return result.ok ? result.value.chat : result.error
}

describe('a request for Anthropic', () => {
  it('puts the results of parallel calls into one turn, with what the user says next', () => {
    const calls = ['a', 'b'].map((id) => ({ id, function: { name: id, arguments: '' } }))
    const messages = [
      { role: 'assistant', content: null, tool_calls: calls },
      { role: 'tool', tool_call_id: 'a', content: '1' },
      { role: 'tool', tool_call_id: 'b', content: '2', is_error: true },
      { role: 'user', content: 'and?' },
    ]
    expect(written({ messages })).toMatchObject({
      messages: [
        { content: [{ id: 'a', input: {} }, { id: 'b' }] },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'a' },
            { type: 'tool_result', tool_use_id: 'b', is_error: true },
            { type: 'text', text: 'and?' },
          ],
        },
      ],
    })
  })

  it('leaves a turn of the assistant out that says nothing', () => {
    const said = ['', null, []].map((content) => ({ role: 'assistant', content }))
    const messages = [{ role: 'user', content: 'a' }, ...said]
    expect(written({ messages })).toMatchObject({ messages: [{ role: 'user', content: 'a' }] })
  })

  it('spells ids that Anthropic would refuse alike in the call and in its result', () => {
    const id = 'functions.get:0'
    const messages = [
      { role: 'assistant', tool_calls: [{ id, function: { name: 'get', arguments: '{}' } }] },
      { role: 'tool', tool_call_id: id, content: 'ok' },
    ]
    const text = JSON.stringify(written({ messages }))
    expect(text.match(/functions_x2e_get_x3a_0/g)).toHaveLength(2)
  })

  it('carries signed thoughts back, and lists unsigned ones as dropped', () => {
    const signed = { type: 'thinking', thinking: 'hm', signature: 's' }
    const messages = [{ role: 'assistant', content: 'y', thinking_blocks: [signed] }]
    expect(written({ messages })).toMatchObject({
      messages: [{ content: [signed, { type: 'text', text: 'y' }] }],
    })
    const unsigned = [{ role: 'assistant', content: 'y', reasoning_content: 'hm' }]
    expect(chat.writeRequest(ask({ messages: unsigned }), strict)).toMatchObject({
      value: { dropped: ['messages[0].reasoning_content'] },
    })
  })

  it('thinks with a budget where the model knows no effort, within max_tokens', () => {
    const model = 'claude-haiku-4-5'
    expect(written({ model, reasoning_effort: 'low', max_tokens: 3_000 })).toMatchObject({
      max_tokens: 3_000,
      thinking: { type: 'enabled', budget_tokens: 2_999 },
    })
    expect(written({ model, reasoning_effort: 'low', max_tokens: 500 })).toMatchObject({
      field: 'reasoning_effort',
    })
    expect(written({ model: 'claude-opus-4-7', reasoning_effort: 'xhigh' })).toMatchObject({
      thinking: { type: 'adaptive' },
      output_config: { effort: 'xhigh' },
    })
  })

  it.each([
    ['n', { n: 2 }],
    ['logprobs', { logprobs: true }],
    ['seed', { seed: 0 }],
    ['temperature', { temperature: 1.5 }],
    ['response_format', { response_format: { type: 'json_object' } }],
    ['tools[0].type', { tools: [{ type: 'custom', custom: { name: 'x' } }] }],
    [
      'messages[0].content[0].type',
      { messages: [{ role: 'user', content: [{ type: 'input_audio' }] }] },
    ],
  ])('is refused by the name of %s', (field, more) => {
    expect(written(more)).toMatchObject({ field })
  })

  it('is not refused for options that say what is so anyway', () => {
    expect(written({ n: 1, logprobs: false, logit_bias: {}, store: false })).toMatchObject({
      model: 'm',
    })
  })
})

describe('a request from a client of Anthropic', () => {
  it('names blocks and tools that only Anthropic has', () => {
    const search = { type: 'web_search_20250305', name: 'web_search' }
    expect(read({ tools: [search] })).toMatchObject({ field: 'tools[0].type' })
    const block = { type: 'search_result', source: 's', title: 't', content: [] }
    expect(read({ messages: [{ role: 'user', content: [block] }] })).toMatchObject({
      field: 'messages[0].content[0].type',
    })
  })

  it('keeps a budget beside the effort it stands for', () => {
    expect(read({ thinking: { type: 'enabled', budget_tokens: 10_000 } })).toMatchObject({
      reasoning_effort: 'medium',
      thinking: { budget_tokens: 10_000 },
    })
  })

  it('asks for the usage of a stream, which Anthropic always sends', () => {
    expect(read({ stream: true })).toMatchObject({ stream_options: { include_usage: true } })
  })
})

describe('a stream of Anthropic', () => {
  const event = (body: { type: string }) => `event: ${body.type}\ndata: ${JSON.stringify(body)}\n\n`
  const start = (index: number, content_block: object) =>
    event({ type: 'content_block_start', index, content_block } as { type: string })

  it('gives a call without deltas the arguments of its start', () => {
    const text =
      start(0, { type: 'tool_use', id: 't', name: 'f', input: { a: 1 } }) +
      event({ type: 'content_block_stop' }) +
      start(1, { type: 'tool_use', id: 'u', name: 'g', input: {} }) +
      event({ type: 'content_block_stop' })
    expect(joined(readText(chat, text).chunks).calls).toEqual([
      { index: 0, id: 't', name: 'f', args: { a: 1 } },
      { index: 1, id: 'u', name: 'g', args: {} },
    ])
  })

  it('breaks where a call goes on behind another one, which Anthropic cannot say', () => {
    const writer = chat.streamWriter(context)
    const delta = (index: number) => ({
      ...{ id: 'a', createdS: 0, model: 'm' },
      choices: [{ index: 0, delta: { tool_calls: [{ index, id: `c${index}`, name: 'f' }] } }],
    })
    expect([writer.write(delta(0)).ok, writer.write(delta(1)).ok]).toEqual([true, true])
    expect(writer.write(delta(0))).toMatchObject({ ok: false, error: { field: 'tool_calls[0]' } })
  })

  it('keeps the status that the word of its error stands for', () => {
    const error = { type: 'error', error: { type: 'overloaded_error', message: 'later' } }
    expect(readText(chat, event(error)).failed).toMatchObject({ error: { status: 529 } })
  })
})

describe('the list of models', () => {
  it('dates a model as Anthropic does', () => {
    const dated = (createdS: number): unknown =>
      JSON.parse(anthropic.modelEntry({ id: 'a', ownedBy: 'x', createdS }))
    expect(dated(0)).toMatchObject({ created_at: '1970-01-01T00:00:00Z' })
    expect(dated(1_709_210_096)).toMatchObject({ created_at: '2024-02-29T12:34:56Z' })
    expect(dated(1_735_689_599)).toMatchObject({ created_at: '2024-12-31T23:59:59Z' })
  })
})
