import fc from 'fast-check'
import { type Failure } from '@signalbox/model'
import { anthropic } from '../anthropic/index.ts'
import { context, describeCodec, readText } from '../codec.contract.ts'
import { describeDialect } from '../dialect.contract.ts'
import { type Dialect } from '../dialect.ts'
import { gemini } from '../gemini/index.ts'
import { joined } from '../hub-values.harness.ts'
import { openai } from './index.ts'

const CHUNK = 'data: {"choices":[{"delta":{"content":"hi"}}]}'
const END = `${CHUNK}\n\ndata: [DONE]`
const bytes = (text: string) => new TextEncoder().encode(text)

describeDialect({
  dialect: openai,
  wholeStreams: [
    `${END}\n\n`,
    `${END}\n`,
    END,
    `${CHUNK}\r\n\r\ndata: [DONE]\r\n\r\n`,
    `${CHUNK}\n\ndata:[DONE]\n\n`,
    `${END}\n\n\n\n\n`,
    'data: [DONE]\n\n',
  ],
  lists: [
    [{ object: 'list', data: [{ id: 'gpt-4o' }, { id: 'team/x:7b' }] }, ['gpt-4o', 'team/x:7b']],
    [
      { models: [{ name: 'llama3:8b', model: 'llama3:8b' }, { model: 'phi' }] },
      ['llama3:8b', 'phi'],
    ],
    [{ data: [] }, []],
    [{ data: [{ id: 'a' }, { id: 'a' }] }, ['a']],
    [{ data: [{ id: '' }, { id: 'with space' }, { id: 5 }, null, 'a', { id: 'b' }] }, ['b']],
    [{ data: [{ id: 'x'.repeat(256) }] }, []],
  ],
})

const failure = (code: Failure['code']): Failure => ({
  code,
  source: 'downstream',
  nothingSent: true,
  message: 'No.',
})

describe('the errors of OpenAI', () => {
  it('have the shape that its clients read', () => {
    expect(JSON.parse(openai.errorBody(failure('model_not_found'), 'r-1'))).toEqual({
      error: {
        message: 'No.',
        type: 'invalid_request_error',
        param: 'model',
        code: 'model_not_found',
      },
      request_id: 'r-1',
    })
  })

  it('are of the type of a server where no request of the client could help', () => {
    expect(JSON.parse(openai.errorBody(failure('no_backend'), 'r-1')).error).toMatchObject({
      type: 'server_error',
      param: null,
    })
  })

  it('reach a client inside a stream as an event named error', () => {
    expect(openai.streamError(failure('stream_cut'), 'r')).toMatch(
      /^\n\nevent: error\ndata: \{.*\}\n\n$/,
    )
  })
})

describe('the end of a stream of OpenAI', () => {
  it.each([
    ['text of the model that holds the marker', 'data: {"content":"data: [DONE]'],
    ['text of the model, seen from its middle', `${'x'.repeat(200)}data: [DONE]`],
    ['more behind the marker', `${END}\n\n${CHUNK}\n\n`],
    ['a field of another name', 'event: [DONE]\n\n'],
    ['nothing', ''],
    ['blank lines alone', '\n\n\n'],
  ])('is not seen in %s', (_, text) => {
    expect(openai.endsWell(bytes(text).slice(-openai.tailBytes))).toBe(false)
  })

  it('is not seen where the tail does not reach back to the beginning of the line', () => {
    const tail = bytes(`data: [DONE]${'\n'.repeat(openai.tailBytes - 12)}`)
    expect(tail).toHaveLength(openai.tailBytes)
    expect(openai.endsWell(tail)).toBe(false)
  })

  it('is a question of the last line alone, whatever stands before it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (before) => {
        const text = `${before}\n\ndata: [DONE]\n\n`
        expect(openai.endsWell(bytes(text).slice(-openai.tailBytes))).toBe(true)
        const quoted = `data: ${JSON.stringify(`${before}data: [DONE]`).slice(0, -1)}`
        expect(openai.endsWell(bytes(quoted).slice(-openai.tailBytes))).toBe(false)
      }),
    )
  })
})

describeCodec({
  dialect: openai,
  can: {
    thinking: false,
    images: 'data and address',
    toolChoice: true,
    parallelSwitch: true,
    schema: true,
    seed: true,
    penalties: true,
    user: true,
    cachedTokens: true,
    reasoningTokens: true,
    cacheWrites: true,
    effort: true,
  },
})

describe('the calls of careless servers', () => {
  const said = (calls: object[]) =>
    `data: ${JSON.stringify({ choices: [{ index: 0, delta: { tool_calls: calls } }] })}\n\n`
  const call = (name: string, more: object = {}) => ({
    ...more,
    function: { name, arguments: '{}' },
  })
  const read = (text: string) => joined(readText(openai.chat, `${text}data: [DONE]\n\n`).chunks)
  const both = [
    { index: 0, id: 'a', name: 'f', args: {} },
    { index: 1, id: 'b', name: 'g', args: {} },
  ]

  it('stay two calls where both are numbered 0', () => {
    const text = said([call('f', { index: 0, id: 'a' })]) + said([call('g', { index: 0, id: 'b' })])
    expect(read(text).calls).toEqual(both)
  })

  it('stay two calls where neither is numbered', () => {
    const text = said([call('f', { id: 'a' })]) + said([call('g', { id: 'b' })])
    expect(read(text).calls).toEqual(both)
  })

  it('stay one call where the id comes again with each delta', () => {
    const part = (text: string) => ({ index: 0, id: 'a', function: { name: 'f', arguments: text } })
    expect(read(said([part('{"x"')]) + said([part(':1}')])).calls).toEqual([
      { index: 0, id: 'a', name: 'f', args: { x: 1 } },
    ])
  })
})

describe('a call that was forced', () => {
  const call = { index: 0, id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }

  it('ends an answer with the reason of a call, though OpenAI says stop', () => {
    const of = (message: object) => ({ choices: [{ message, finish_reason: 'stop' }] })
    const read = (message: object) => openai.chat.readAnswer(of(message), context)
    expect(read({ tool_calls: [call] })).toMatchObject({
      value: { choices: [{ finish_reason: 'tool_calls' }] },
    })
    expect(read({ content: 'x' })).toMatchObject({
      value: { choices: [{ finish_reason: 'stop' }] },
    })
  })

  it('ends a stream with it too, where it is cut short with the reason of that', () => {
    const stream = (reason: string) =>
      [{ delta: { tool_calls: [call] } }, { delta: {}, finish_reason: reason }]
        .map((choice) => `data: ${JSON.stringify({ choices: [{ index: 0, ...choice }] })}\n\n`)
        .join('')
    const finish = (text: string) => joined(readText(openai.chat, text).chunks).finish
    expect(finish(stream('stop'))).toBe('tool_calls')
    expect(finish(stream('length'))).toBe('length')
  })

  it('reaches clients of Anthropic as tool_use, and their agents run the tool', () => {
    const body = { choices: [{ message: { tool_calls: [call] }, finish_reason: 'stop' }] }
    const answer = openai.chat.readAnswer(body, context)
    if (!answer.ok) throw new Error(answer.error.message)
    expect(JSON.parse(anthropic.chat.writeAnswer(answer.value))).toMatchObject({
      stop_reason: 'tool_use',
    })
  })
})

describe('what clients of other dialects wish', () => {
  const asked = (dialect: Dialect, body: object) => {
    const read = dialect.chat.readRequest(body, { lenient: false, model: 'm' })
    if (!read.ok) throw new Error(read.error.field)
    return openai.chat.writeRequest(read.value.chat, { lenient: false })
  }
  const message = { model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'x' }] }

  it('is not made an effort that most models refuse, where it is not to think', () => {
    const off = asked(anthropic, { ...message, thinking: { type: 'disabled' } })
    const generationConfig = { thinkingConfig: { thinkingBudget: 0 } }
    const none = asked(gemini, { contents: [], generationConfig })
    for (const written of [off, none]) {
      expect(written).toMatchObject({ value: { dropped: ['thinking'] } })
      expect(written.ok && written.value.body).not.toHaveProperty('reasoning_effort')
    }
  })

  it('is sent without a user that is longer than OpenAI takes, and says so', () => {
    const user = (length: number) =>
      asked(anthropic, { ...message, metadata: { user_id: 'u'.repeat(length) } })
    expect(user(64)).toMatchObject({ value: { body: { user: 'u'.repeat(64) }, dropped: [] } })
    const long = user(65)
    expect(long).toMatchObject({ value: { dropped: ['user'] } })
    expect(long.ok && long.value.body).not.toHaveProperty('user')
  })
})
