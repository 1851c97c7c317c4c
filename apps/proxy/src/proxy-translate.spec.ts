import { startMockBackend, type MockBackend, speakAnthropic } from '@signalbox/testing'
import { apply, backend, base, chat, codeOf, hello, useProxy } from './proxy-harness.ts'

useProxy()

let claude: MockBackend
beforeEach(async () => {
  claude = await startMockBackend({ models: [] })
  await apply('backend', 'b2', { kind: 'anthropic', url: claude.url, models: ['claude'] })
})
afterEach(() => claude.stop())

const messages = (body: object, path = '/v1/messages', headers: Record<string, string> = {}) =>
  fetch(base + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01', ...headers },
    body: JSON.stringify({ max_tokens: 100, messages: hello.messages, ...body }),
  })
const sentTo = (one: MockBackend): unknown => JSON.parse(one.requests.at(-1)?.body.toString() ?? '')
const calls = [
  { id: 'toolu_1', name: 'add', input: { a: 1, b: 2 } },
  { id: 'toolu_2', name: 'now', input: {} },
]
const toolsOf = (names: readonly string[]) =>
  names.map((name) => ({ type: 'function', function: { name, parameters: { type: 'object' } } }))
/** The data of each event; the text after which the connection broke, where it did. */
async function eventsOf(answer: Response): Promise<{ events: unknown[]; broke: boolean }> {
  let text = ''
  let broke = false
  try {
    for await (const part of answer.body ?? []) text += Buffer.from(part).toString()
  } catch {
    broke = true
  }
  const data = text
    .split('\n')
    .flatMap((line) => (line.startsWith('data: ') ? [line.slice(6)] : []))
  return { events: data.map((one) => (one === '[DONE]' ? one : JSON.parse(one))), broke }
}

describe("a client of OpenAI's at a backend of Anthropic's", () => {
  const asked = { ...hello, model: 'claude' }

  it('is answered in its own shape, thoughts, calls and usage included', async () => {
    speakAnthropic(claude, { thinking: { text: 'hm', signature: 'sig' }, text: 'Hi.', calls })
    const answer = await chat({ ...asked, tools: toolsOf(['add', 'now']) })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('x-signalbox-backend')).toBe('b2')
    expect(await answer.json()).toMatchObject({
      object: 'chat.completion',
      model: 'claude',
      choices: [
        {
          finish_reason: 'tool_calls',
          message: {
            content: 'Hi.',
            reasoning_content: 'hm',
            thinking_blocks: [{ type: 'thinking', thinking: 'hm', signature: 'sig' }],
            tool_calls: [
              { id: 'toolu_1', type: 'function', function: { arguments: '{"a":1,"b":2}' } },
              { id: 'toolu_2', function: { name: 'now', arguments: '{}' } },
            ],
          },
        },
      ],
      usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
    })
    const [request] = claude.requests
    expect(request?.path).toBe('/v1/messages')
    expect(request?.headers['anthropic-version']).toBe('2023-06-01')
    expect(sentTo(claude)).toMatchObject({ model: 'claude', max_tokens: 8_192 })
  })

  it('gets a stream chunk by chunk, with the usage only where it asks for it', async () => {
    speakAnthropic(claude, { text: 'One two three.', calls })
    const stream = { ...asked, stream: true, tools: toolsOf(['add', 'now']) }
    const plain = await eventsOf(await chat(stream))
    expect(plain.broke).toBe(false)
    expect(plain.events.at(-1)).toBe('[DONE]')
    const chunks = plain.events.slice(0, -1) as { choices: { delta: { content?: string } }[] }[]
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe(
      'One two three.',
    )
    expect(JSON.stringify(chunks)).not.toContain('"usage"')
    const counted = await chat({ ...stream, stream_options: { include_usage: true } })
    expect((await eventsOf(counted)).events.at(-2)).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 10, completion_tokens: 5 },
    })
  })

  it('is told of a stream that breaks off, by an event and a broken connection', async () => {
    speakAnthropic(claude, { text: 'One two three.', cutAfter: 4 })
    const { events, broke } = await eventsOf(await chat({ ...asked, stream: true }))
    expect(broke).toBe(true)
    expect(events.at(-1)).toMatchObject({ error: { code: 'stream_cut' } })
    expect(events).not.toContain('[DONE]')
  })

  it('is told what the backend says inside its stream', async () => {
    speakAnthropic(claude, { text: 'One two three.', overloadedAfter: 4 })
    const { events, broke } = await eventsOf(await chat({ ...asked, stream: true }))
    expect(broke).toBe(true)
    expect(events).toContainEqual(
      expect.objectContaining({ error: expect.objectContaining({ message: 'Overloaded' }) }),
    )
    expect(events).not.toContain('[DONE]')
  })

  it('is told once of a failure in the last bytes, which no blank line follows', async () => {
    const error = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }
    claude.answerWith((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.end(`event: error\ndata: ${JSON.stringify(error)}`)
    })
    const { events, broke } = await eventsOf(await chat({ ...asked, stream: true }))
    expect([broke, events]).toMatchObject([true, [{ error: { message: 'Overloaded' } }]])
    expect(events).toHaveLength(1)
    // The connection is not worse for it.
    speakAnthropic(claude, { text: 'Hi.' })
    expect((await chat(asked)).status).toBe(200)
  })

  it('gets an error with its status, in its own shape', async () => {
    const error = { type: 'rate_limit_error', message: 'Slow down.' }
    const body = JSON.stringify({ type: 'error', error })
    claude.failWith(429, { body, headers: { 'retry-after': '3' } })
    const answer = await chat(asked)
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '3'])
    expect(await answer.json()).toMatchObject({
      error: { message: 'Slow down.', type: 'rate_limit_error' },
    })
  })

  it('is refused by the name of a field that cannot be expressed, and nothing is sent', async () => {
    const answer = await chat({ ...asked, n: 2 })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({
      error: { code: 'untranslatable', message: expect.stringContaining('n: ') },
    })
    expect(claude.requests).toHaveLength(0)
  })

  it('is refused arguments of a call that are nested too deeply to be written', async () => {
    const args = `{"a":${'['.repeat(40_000)}${']'.repeat(40_000)}}`
    const call = { id: 'c1', type: 'function', function: { name: 'add', arguments: args } }
    const turn = { role: 'assistant', content: null, tool_calls: [call] }
    const answer = await chat({ ...asked, messages: [...hello.messages, turn] })
    expect([answer.status, await codeOf(answer)]).toEqual([400, 'untranslatable'])
  })

  it('is answered without that field where the policy is lenient, and told so', async () => {
    speakAnthropic(claude, { text: 'Hi.' })
    await apply('policy', 'default', { translation: 'lenient' })
    const answer = await chat({ ...asked, n: 2, brand_new: true })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('x-signalbox-dropped')).toBe('n, brand_new')
  })

  it('is told what was dropped by rule', async () => {
    speakAnthropic(claude, { text: 'Hi.' })
    const answer = await chat({ ...asked, prompt_cache_key: 'k', metadata: { a: 'b' } })
    expect(answer.headers.get('x-signalbox-dropped')).toBe('metadata, prompt_cache_key')
  })

  it('gets a failure where the backend answers with what nobody can read', async () => {
    claude.answerWith((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"not":"a message"}')
    })
    expect((await chat(asked)).status).toBe(502)
  })

  it('ends the work of the backend when it leaves', async () => {
    claude.answerWith((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('event: message_start\ndata: {"type":"message_start","message":{}}\n\n')
    })
    const leave = new AbortController()
    const answer = await chat({ ...asked, stream: true }, {}, leave.signal)
    await answer.body?.getReader().read()
    leave.abort()
    await claude.disconnected()
    expect(claude.disconnects).toBe(1)
  })
})

describe("a client of Anthropic's at a backend of OpenAI's", () => {
  it.each(['/v1/messages', '/anthropic/v1/messages'])('is answered on %s', async (path) => {
    const answer = await messages({ model: 'm1', system: 'Be brief.' }, path)
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({
      type: 'message',
      role: 'assistant',
      content: [{ type: 'text' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: expect.any(Number), output_tokens: expect.any(Number) },
    })
    const [request] = backend.requests
    expect(request?.path).toBe('/v1/chat/completions')
    expect(request?.headers['anthropic-version']).toBeUndefined()
    expect(sentTo(backend)).toMatchObject({
      messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user' }],
    })
  })

  it('gets a stream in the order of its own events', async () => {
    const { events, broke } = await eventsOf(await messages({ model: 'm1', stream: true }))
    const types = (events as { type: string }[]).map(({ type }) => type)
    expect(broke).toBe(false)
    expect([...new Set(types)]).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ])
    expect(sentTo(backend)).toMatchObject({ stream_options: { include_usage: true } })
  })

  it('is told of a stream that breaks off in its own shape', async () => {
    backend.cutAfter(2)
    const { events, broke } = await eventsOf(await messages({ model: 'm1', stream: true }))
    expect(broke).toBe(true)
    expect(events.at(-1)).toMatchObject({ type: 'error', error: { code: 'stream_cut' } })
  })

  it.each([
    ['not_found_error', 404, { model: 'no-such' }],
    ['invalid_request_error', 400, { model: 'm1', mcp_servers: [{}] }],
  ])('gets an %s in its own shape', async (type, status, body) => {
    const answer = await messages(body)
    expect(answer.status).toBe(status)
    expect(await answer.json()).toMatchObject({ type: 'error', error: { type } })
  })

  it('gets an error of the backend with its status, in its own shape', async () => {
    backend.failWith(429)
    const answer = await messages({ model: 'm1' })
    expect(answer.status).toBe(429)
    expect(await answer.json()).toMatchObject({
      type: 'error',
      error: { type: 'rate_limit_error' },
    })
  })

  it('is refused where only a backend of its own could count', async () => {
    const answer = await messages({ model: 'm1' }, '/v1/messages/count_tokens')
    expect(await answer.json()).toMatchObject({ error: { code: 'untranslatable' } })
  })

  it('gets the list of models in its own shape, and others in theirs', async () => {
    const headers = { 'anthropic-version': '2023-06-01' }
    const list = await fetch(`${base}/v1/models`, { headers })
    expect(await list.json()).toMatchObject({
      data: [{ type: 'model', id: 'claude' }, { id: 'm1' }],
      has_more: false,
    })
    expect(await (await fetch(`${base}/v1/models`)).json()).toMatchObject({ object: 'list' })
  })
})

describe('bytes between two of one dialect', () => {
  it('pass as they are, but for the model', async () => {
    speakAnthropic(claude, { text: 'Hi.' })
    await apply('route', 'haiku', { tiers: [{ targets: [{ backend: 'b2', model: 'claude' }] }] })
    const body = `{"max_tokens": 5,\n "brand_new": {"x": [1]}, "model": "haiku", "messages": []}`
    const answer = await fetch(`${base}/anthropic/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    expect(claude.requests[0]?.path).toBe('/v1/messages')
    expect(claude.requests[0]?.body.toString()).toBe(body.replace('"haiku"', '"claude"'))
    expect(await answer.json()).toMatchObject({ id: 'msg_1', content: [{ text: 'Hi.' }] })
  })

  it('pass for the count of tokens too', async () => {
    speakAnthropic(claude, { text: '' })
    const answer = await messages({ model: 'claude' }, '/v1/messages/count_tokens')
    expect(await answer.json()).toEqual({ input_tokens: 11 })
  })
})

describe('what one dialect cannot say', () => {
  const both = { ...hello, model: 'both', logprobs: true }
  const asks = async (count: number) => {
    const all = []
    for (let n = 0; n < count; n++) {
      const answer = await chat(both)
      await answer.text()
      all.push([answer.status, answer.headers.get('x-signalbox-attempts')])
    }
    return all
  }
  const targets = (...ids: string[]) => [
    { targets: ids.map((id) => ({ backend: id, model: 'm1' })) },
  ]

  it('is asked of the backend that can, whoever has its turn', async () => {
    await apply('route', 'both', { tiers: targets('b1', 'b2') })
    expect(await asks(4)).toEqual(new Array(4).fill([200, '1']))
  })

  it('is asked of a fallback, and refused by name where nobody can', async () => {
    await apply('route', 'plain', { tiers: targets('b1') })
    await apply('route', 'both', { tiers: targets('b2'), fallbacks: ['plain'] })
    expect(await asks(2)).toEqual(new Array(2).fill([200, '1']))
    await apply('route', 'both', { tiers: targets('b2') })
    const refusal = await chat(both)
    expect(refusal.status).toBe(400)
    expect(((await refusal.json()) as { error: unknown }).error).toMatchObject({
      code: 'untranslatable',
      message: expect.stringContaining('logprobs'),
    })
  })
})
