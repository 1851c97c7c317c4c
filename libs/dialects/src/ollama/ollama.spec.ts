import fc from 'fast-check'
import { type ChatAnswer } from '../chat.ts'
import { context, describeCodec, readText, writeChunks } from '../codec.contract.ts'
import { describeDialect } from '../dialect.contract.ts'
import { joined } from '../hub-values.harness.ts'
import { generate } from './generate.ts'
import { ollama } from './index.ts'
import { isoTime } from '../iso-time.ts'

const line = (text: string, more = '"done":false') =>
  `{"model":"m","created_at":"2026-01-02T03:04:05.678Z","message":{"role":"assistant","content":${JSON.stringify(text)}},${more}}`
const COUNTS = '"total_duration":9,"prompt_eval_count":26,"prompt_eval_duration":2,"eval_count":5'
const LAST = line('', `"done_reason":"stop","done":true,${COUNTS},"eval_duration":4`)

describeDialect({
  dialect: ollama,
  wholeStreams: [
    `${line('a')}\n${LAST}\n`,
    `${line('a')}\r\n${LAST}\r\n`,
    `${line('{"done":true}')}\n${LAST}`,
    `${LAST}\n`,
    `${line('a')}\n{"model":"m","response":"","done":true,"done_reason":"load"}\n`,
  ],
  lists: [
    [{ models: [{ name: 'llama3.2:latest', model: 'llama3.2:latest' }] }, ['llama3.2:latest']],
    [{ models: [] }, []],
  ],
})

describeCodec({
  dialect: ollama,
  can: {
    thinking: false,
    images: 'beside one text',
    toolChoice: false,
    parallelSwitch: false,
    schema: true,
    seed: true,
    penalties: true,
    user: false,
    cachedTokens: false,
    reasoningTokens: false,
    cacheWrites: false,
    effort: true,
  },
})

const { chat } = ollama
const call = { lenient: false }
const question = { role: 'user', content: 'q' }
const [PNG, JPEG] = ['iVBORw0KGgo=', '/9j/4AAQ']

describe('a request from a client of Ollama', () => {
  const read = (more: object) =>
    chat.readRequest({ model: 'm', messages: [question], ...more }, call)

  it('streams with its usage unless it says that it does not', () => {
    const streamed = { chat: { stream: true, stream_options: { include_usage: true } } }
    expect(read({})).toMatchObject({ value: streamed })
    expect(read({ stream: true })).toMatchObject({ value: streamed })
    const plain = read({ stream: false })
    expect(plain.ok && plain.value.chat).not.toHaveProperty('stream')
  })

  it('has its options in other words, and those of the machine are listed', () => {
    const options = { num_predict: 9, top_k: 3, temperature: 0.5, stop: 'x', num_ctx: 4_096 }
    expect(read({ options, keep_alive: '5m' })).toMatchObject({
      value: {
        chat: { max_tokens: 9, top_k: 3, temperature: 0.5, stop: ['x'] },
        dropped: ['options.num_ctx', 'keep_alive'],
      },
    })
    const endless = read({ options: { num_predict: -1, repeat_penalty: 1 } })
    expect(endless.ok && endless.value.chat).not.toHaveProperty('max_tokens')
  })

  it('names an option that nobody else has', () => {
    expect(read({ options: { min_p: 0.1 } })).toMatchObject({ error: { field: 'options.min_p' } })
    expect(read({ options: { repeat_penalty: 1.3 } })).toMatchObject({
      error: { field: 'options.repeat_penalty' },
    })
  })

  it.each([
    [true, { reasoning_effort: 'medium' }],
    [false, { reasoning_effort: 'none', thinking: { type: 'disabled' } }],
    ['high', { reasoning_effort: 'high' }],
  ])('thinks as %j says', (think, said) => {
    expect(read({ think })).toMatchObject({ value: { chat: said } })
  })

  it('finds the calls of results by id, by name, and else in their order', () => {
    const called = (name: string, id?: string) => ({ id, function: { name, arguments: { a: 1 } } })
    const messages = [
      { role: 'assistant', content: '', tool_calls: [called('f'), called('g'), called('h', 'x1')] },
      { role: 'tool', content: 'of h', tool_call_id: 'x1' },
      { role: 'tool', content: 'of g', tool_name: 'g' },
      { role: 'tool', content: 'of f' },
    ]
    expect(read({ messages })).toMatchObject({
      value: {
        chat: {
          messages: [
            { content: null, tool_calls: [{ id: 'call_0' }, { id: 'call_1' }, { id: 'x1' }] },
            { tool_call_id: 'x1', content: 'of h' },
            { tool_call_id: 'call_1', content: 'of g' },
            { tool_call_id: 'call_0', content: 'of f' },
          ],
        },
      },
    })
    expect(read({ messages: [{ role: 'tool', content: 'of what?' }] })).toMatchObject({
      error: { field: 'messages[0].tool_name' },
    })
  })

  it('says of an image what it is by how it begins', () => {
    const messages = [{ ...question, images: [PNG, JPEG] }]
    const url = (type: string, data: string) => ({
      image_url: { url: `data:${type};base64,${data}` },
    })
    expect(read({ messages })).toMatchObject({
      value: {
        chat: {
          messages: [{ content: [{ text: 'q' }, url('image/png', PNG), url('image/jpeg', JPEG)] }],
        },
      },
    })
  })
})

describe('a request for Ollama', () => {
  const write = (more: object, lenient = false) =>
    chat.writeRequest({ model: 'm', messages: [question], ...more }, { lenient })

  it('always says whether it streams', () => {
    expect(write({})).toMatchObject({ value: { path: '/api/chat', body: { stream: false } } })
    expect(write({ stream: true })).toMatchObject({ value: { body: { stream: true } } })
  })

  it('has no tools where none may be called, and cannot be forced to call', () => {
    const tools = [{ type: 'function', function: { name: 'f' } }]
    const none = write({ tools, tool_choice: 'none' })
    expect(none.ok && none.value.body).not.toHaveProperty('tools')
    expect(write({ tools, tool_choice: 'required' })).toMatchObject({
      error: { field: 'tool_choice' },
    })
    expect(write({ tools, tool_choice: 'required' }, true)).toMatchObject({
      value: { body: { tools }, dropped: ['tool_choice'] },
    })
  })

  it('takes thoughts back, and images by their bytes alone', () => {
    const said = { role: 'assistant', content: 'a', reasoning_content: 'hm' }
    expect(write({ messages: [question, said] })).toMatchObject({
      value: { body: { messages: [{}, { content: 'a', thinking: 'hm' }] }, dropped: [] },
    })
    const image = { type: 'image_url', image_url: { url: 'https://example.com/a.png' } }
    expect(write({ messages: [{ role: 'user', content: [image] }] })).toMatchObject({
      error: { field: 'messages[0].content[0].image_url.url' },
    })
  })
})

describe('a stream of Ollama', () => {
  it('has thoughts, and calls that come whole and without ids', () => {
    const called = (a: number) => ({ function: { name: 'f', arguments: { a } } })
    const lines = [
      { message: { role: 'assistant', content: '', thinking: 'hm' }, done: false },
      { message: { content: '', tool_calls: [called(1)] }, done: false },
      { message: { content: '', tool_calls: [called(2)] }, done: false },
      { message: { content: '' }, done: true, done_reason: 'stop', eval_count: 2 },
    ]
    const read = readText(chat, lines.map((one) => JSON.stringify(one)).join('\n'))
    const all = joined(read.chunks)
    expect(read.whole).toBe(true)
    expect(all).toMatchObject({ thoughts: 'hm', finish: 'tool_calls' })
    expect(all.calls).toMatchObject([
      { index: 0, args: { a: 1 } },
      { index: 1, args: { a: 2 } },
    ])
    expect(new Set(all.calls.map(({ id }) => id)).size).toBe(2)
  })

  it('fails at a line that says an error, whatever came before', () => {
    const read = readText(chat, `${line('a')}\n{"error":"out of memory"}\n`)
    expect(read).toMatchObject({ whole: false, failed: { error: { message: 'out of memory' } } })
    const late = readText(chat, `${LAST}\n{"error":"late"}\n`)
    expect(late).toMatchObject({ whole: false, failed: { error: { message: 'late' } } })
  })

  it('tells of a break without an empty line, where none was begun', () => {
    const failure = { code: 'stream_cut', source: 'upstream', nothingSent: false } as const
    const said = ollama.streamError({ ...failure, message: 'cut' }, 'r', true)
    expect(said).toMatch(/^\{[^\n]*\}\n$/)
  })

  it('says its calls in a line before the last, and the usage in the last', () => {
    const about = { id: 'a', createdS: 0, model: 'm' }
    const begun = { index: 0, id: 'c1', name: 'f', arguments: '{"a"' }
    const choice = (delta: object) => [{ index: 0, delta }]
    const text = writeChunks(chat, [
      { ...about, choices: choice({ tool_calls: [begun] }) },
      { ...about, choices: choice({ tool_calls: [{ index: 0, arguments: ':1}' }] }) },
      { ...about, choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] },
    ])
    const [calls, last, ...more] = text
      .trimEnd()
      .split('\n')
      .map((one) => JSON.parse(one) as object)
    expect(calls).toMatchObject({
      created_at: '1970-01-01T00:00:00Z',
      message: { tool_calls: [{ id: 'c1', function: { name: 'f', arguments: { a: 1 } } }] },
      done: false,
    })
    expect(last).toMatchObject({ message: { content: '' }, done: true, done_reason: 'stop' })
    expect(more).toEqual([])
  })
})

describe('the end of a stream of Ollama', () => {
  const seen = (text: string) => new TextEncoder().encode(text).slice(-ollama.tailBytes)
  const endsWell = (text: string) => ollama.endsWell(seen(text))
  const tokens = (text: string, events = true) =>
    ollama.readTokens({ head: seen(''), tail: seen(text), events })
  const context = Array.from({ length: ollama.tailBytes }, (_, index) => index).join()
  const long = `{"response":"","done":true,"context":[${context}],${COUNTS}}`

  it('is seen behind a conversation that fills the tail', () => {
    expect(endsWell(`${line('a')}\n${long}\n`)).toBe(true)
    for (let cut = 1; cut < 99; cut++) expect(endsWell(long.slice(0, -cut))).toBe(false)
  })

  it('is not seen in a text or a call that is worded as it', () => {
    expect(endsWell(`${line(LAST)}\n`)).toBe(false)
    const pad = 'x'.repeat(ollama.tailBytes)
    expect(endsWell(`${line(`${pad}${LAST}`)}\n`)).toBe(false)
    const args = `{"a":"${pad}","total_duration":9,"eval_count":5}`
    const called = `{"message":{"tool_calls":[{"function":{"name":"f","arguments":${args}}}]},"done":false}`
    expect(endsWell(`${called}\n`)).toBe(false)
  })

  it('says what it cost, also where only its end is there', () => {
    const counted = { prompt: 26, completion: 5, cached: null, reasoning: null }
    expect(tokens(`${line('a')}\n${LAST}\n`)).toEqual(counted)
    expect(tokens(long)).toEqual(counted)
    expect(tokens(LAST, false)).toEqual(counted)
    const vectors = `{"embeddings":[[${context}]],"load_duration":1,"prompt_eval_count":8}`
    expect(tokens(vectors, false)).toMatchObject({ prompt: 8, completion: null })
    expect(tokens(`${line('a')}\n`)).toBeUndefined()
  })
})

describe('a generation', () => {
  const read = (more: object) => generate.readRequest({ model: 'm', prompt: 'p', ...more }, call)

  it('is a chat of one question', () => {
    expect(read({ system: 's', images: [PNG], format: 'json' })).toMatchObject({
      value: {
        chat: {
          messages: [
            { role: 'system', content: 's' },
            { role: 'user', content: [{ text: 'p' }, { type: 'image_url' }] },
          ],
          response_format: { type: 'json_object' },
          stream: true,
        },
      },
    })
  })

  it.each([
    ['suffix', { suffix: 's' }],
    ['template', { template: 't' }],
    ['raw', { raw: true }],
    ['context', { context: [1] }],
    ['prompt', { prompt: '' }],
  ])('names %s, which only its own server can take', (field, more) => {
    expect(read(more)).toMatchObject({ error: { field } })
  })

  it('says its answer as a response, whole and streamed', () => {
    const message = { role: 'assistant', content: 'A', reasoning_content: 'hm' } as const
    const answer: ChatAnswer = {
      ...{ id: 'a', createdS: 0, model: 'm' },
      choices: [{ index: 0, message, finish_reason: 'length' }],
    }
    expect(JSON.parse(generate.writeAnswer(answer))).toMatchObject({
      ...{ response: 'A', thinking: 'hm', done: true, done_reason: 'length' },
    })
    const { index } = { index: 0 }
    const about = { id: 'a', createdS: 0, model: 'm' }
    const text = writeChunks(generate, [
      { ...about, choices: [{ index, delta: { content: 'A' } }] },
    ])
    const lines = text
      .trimEnd()
      .split('\n')
      .map((one) => JSON.parse(one) as object)
    expect(lines).toMatchObject([
      { response: 'A', done: false },
      { response: '', done: true },
    ])
  })
})

describe('isoTime', () => {
  it('says any second as a date does', () => {
    fc.assert(
      fc.property(fc.integer({ min: -60_000_000_000, max: 250_000_000_000 }), (atS) => {
        expect(Date.parse(isoTime(atS))).toBe(atS * 1_000)
      }),
    )
    expect(isoTime(context.createdS)).toBe('2023-11-14T22:13:20Z')
  })
})
