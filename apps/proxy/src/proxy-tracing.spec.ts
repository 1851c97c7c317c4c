// What is traced of requests, told by a receiver that speaks OTLP over HTTP.
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import { type AddressInfo } from 'node:net'
import { eventually, speakAnthropic, startMockBackend } from '@signalbox/testing'
import { createMetrics, seal } from '@signalbox/host'
import { apply, backend, base, chat, hello, masterKey, proxy } from './proxy-harness.ts'
import { start, useProxy } from './proxy-harness.ts'

useProxy()

interface Attribute {
  readonly key: string
  readonly value: Readonly<Record<string, unknown>>
}
interface Told {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly Attribute[]
  readonly status: { readonly code?: number }
}

let receiver: Server
let posts: { readonly path: string; readonly headers: IncomingHttpHeaders; readonly text: string }[]
/** Null: the receiver takes what comes and says nothing. */
let answer: number | null
let held: (() => void)[]
const SERVER = 2
const CLIENT = 3
const ERROR = 2

beforeEach(async () => {
  posts = []
  answer = 200
  held = []
  receiver = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (part) => (text += part))
    request.on('end', () => {
      posts.push({ path: request.url ?? '', headers: request.headers, text })
      const end = () => void response.writeHead(answer ?? 200).end('{}')
      if (answer === null) held.push(end)
      else end()
    })
  })
  receiver.listen(0, '127.0.0.1')
  await once(receiver, 'listening')
})

afterEach(async () => {
  for (const end of held) end()
  receiver.closeIdleConnections()
  receiver.close()
  await once(receiver, 'close')
})

const urlOf = () => `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/v1/traces`

/** A proxy that tells the receiver. */
async function tracing(more: { ratio?: number; parentBased?: boolean } = {}) {
  await proxy.stop()
  const metrics = createMetrics()
  const config = { url: urlOf(), serviceName: 'signalbox-proxy', ratio: 1, parentBased: true }
  await start({ tracing: { ...config, ...more } }, { metrics })
  await apply('backend', 'b1', {
    ...{ kind: 'openai-compatible', url: backend.url, models: ['m1'] },
  })
  return metrics
}

/** All spans, once the proxy has stopped and so has sent them. */
async function told(): Promise<readonly Told[]> {
  await proxy.stop()
  return posts.flatMap(({ text }) => {
    const { resourceSpans } = JSON.parse(text)
    return resourceSpans.flatMap(({ scopeSpans }: { scopeSpans: { spans: Told[] }[] }) =>
      scopeSpans.flatMap(({ spans }) => spans),
    )
  })
}

const named = (spans: readonly Told[], name: string) => spans.filter((one) => one.name === name)
const facts = ({ attributes }: Told) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
const REQUEST = 'POST /v1/chat/completions'
const TRACE = '0af7651916cd43dd8448eb211c80319c'
const CALLER = 'b7ad6b7169203331'
const traceparent = `00-${TRACE}-${CALLER}-01`

describe('a request', () => {
  it('is one trace: the request, its attempt, the connection, the first byte', async () => {
    await tracing()
    await (await chat(hello, { 'x-request-id': 'seen' })).text()
    const spans = await told()
    const [request] = named(spans, REQUEST)
    const [attempt] = named(spans, 'chat m1')
    if (!request || !attempt) throw new Error('a span is missing')
    expect(spans.map(({ name }) => name).toSorted()).toEqual(
      [REQUEST, 'chat m1', 'connect', 'first byte'].toSorted(),
    )
    expect([request.kind, attempt.kind, request.parentSpanId]).toEqual([SERVER, CLIENT, undefined])
    expect(attempt.parentSpanId).toBe(request.spanId)
    for (const one of [...named(spans, 'connect'), ...named(spans, 'first byte')]) {
      expect(one.parentSpanId).toBe(attempt.spanId)
    }
    expect(new Set(spans.map((one) => one.traceId)).size).toBe(1)
    expect(facts(request)).toMatchObject({
      'http.response.status_code': 200,
      'http.route': '/v1/chat/completions',
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': 'm1',
      'gen_ai.usage.input_tokens': 1,
      'signalbox.request_id': 'seen',
      'signalbox.backend': 'b1',
      'signalbox.attempts': 1,
    })
    expect(facts(attempt)).toMatchObject({
      'server.address': '127.0.0.1',
      'server.port': backend.port,
      'http.response.status_code': 200,
      'signalbox.outcome': 'answered',
    })
    for (const one of spans) {
      expect(BigInt(one.endTimeUnixNano) >= BigInt(one.startTimeUnixNano)).toBe(true)
    }
    expect(posts[0]?.path).toBe('/v1/traces')
    expect(posts[0]?.text).toContain('"signalbox-proxy"')
  })

  it('goes on with the trace of its client, and its backend with that of the attempt', async () => {
    await tracing()
    await (await chat(hello, { traceparent, tracestate: 'vendor=1' })).text()
    const [request, ...more] = named(await told(), REQUEST)
    expect([request?.traceId, request?.parentSpanId, more]).toEqual([TRACE, CALLER, []])
    const [attempt] = named(await told(), 'chat m1')
    const { headers } = backend.requests[0] ?? {}
    expect(headers?.['traceparent']).toBe(`00-${TRACE}-${attempt?.spanId}-01`)
    expect(headers?.['tracestate']).toBe('vendor=1')
  })

  it.each([
    `00-${'0'.repeat(32)}-${CALLER}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `ff-${TRACE}-${CALLER}-01`,
    `${traceparent}-more`,
    traceparent.toUpperCase(),
    'x',
  ])('begins a trace of its own where the client says %s, without its state', async (bad) => {
    await tracing()
    await (await chat(hello, { traceparent: bad, tracestate: 'vendor=1' })).text()
    const [request] = named(await told(), REQUEST)
    expect(request?.parentSpanId).toBeUndefined()
    const { headers } = backend.requests[0] ?? {}
    expect(headers?.['traceparent']).toContain(request?.traceId)
    expect(headers?.['tracestate']).toBeUndefined()
  })

  it('that is tried again has a span of each attempt, and of how it ended', async () => {
    await tracing()
    const other = await startMockBackend({ models: ['m1'] })
    await apply('backend', 'b2', { kind: 'vllm', url: other.url, models: ['m1'] })
    await backend.refuse()
    for (let n = 0; n < 2; n++) expect((await chat(hello)).status).toBe(200)
    const spans = named(await told(), 'chat m1')
    const outcomes = spans.map((one) => facts(one)['signalbox.outcome'])
    expect(outcomes).toContain('upstream_connect_failed')
    const failed = spans.find((one) => facts(one)['error.type'] === 'upstream_connect_failed')
    expect(failed?.status.code).toBe(ERROR)
    expect(outcomes.filter((one) => one === 'answered')).toHaveLength(2)
    await other.stop()
  })

  it('that is refused says why; what the client did wrong is no error of ours', async () => {
    await tracing()
    await (await chat({ ...hello, model: 'none' })).text()
    await backend.refuse()
    await (await chat(hello)).text()
    const [wrong, broken] = named(await told(), REQUEST)
    expect([wrong?.status.code ?? 0, wrong && facts(wrong)['signalbox.code']]).toEqual([
      ...[0, 'model_not_found'],
    ])
    expect([broken?.status.code, broken && facts(broken)['error.type']]).toEqual([
      ...[ERROR, 'upstream_connect_failed'],
    ])
  })

  it('translated is the conventions’ chat at the other provider', async () => {
    await tracing()
    const claude = await startMockBackend({ models: [] })
    speakAnthropic(claude, { text: 'One.' })
    await apply('backend', 'b2', { kind: 'anthropic', url: claude.url, models: ['claude'] })
    await (await chat({ ...hello, model: 'claude', max_tokens: 5 }, { traceparent })).text()
    const [attempt] = named(await told(), 'chat claude')
    expect(attempt && facts(attempt)['gen_ai.provider.name']).toBe('anthropic')
    expect(claude.requests[0]?.headers['traceparent']).toContain(attempt?.spanId)
    await claude.stop()
  })
})

describe('sampling', () => {
  it('keeps what its caller keeps, and nothing of the rest', async () => {
    await tracing({ ratio: 0 })
    await (await chat(hello, { traceparent })).text()
    await (await chat(hello)).text()
    await (await chat(hello, { traceparent: traceparent.replace(/1$/, '0') })).text()
    expect(named(await told(), REQUEST).map(({ traceId }) => traceId)).toEqual([TRACE])
    // Who is called is told all the same, that it is not kept.
    expect(backend.requests[1]?.headers['traceparent']).toMatch(/^00-[0-9a-f]{32}-.{16}-00$/)
    expect(backend.requests[2]?.headers['traceparent']).toMatch(new RegExp(`^00-${TRACE}-.*-00$`))
  })

  it('by a share asks nobody where it is not the caller’s', async () => {
    await tracing({ ratio: 0, parentBased: false })
    await (await chat(hello, { traceparent })).text()
    expect(await told()).toEqual([])
  })
})

describe('traces', () => {
  it('hold no prompt, no answer, no credential and no header', async () => {
    await tracing()
    const secret = 'sk-canary-secret'
    await apply('backend', 'b1', {
      ...{ kind: 'openai-compatible', url: backend.url, models: ['m1'] },
      credential: { sealed: seal(secret, masterKey, 'default/backend/b1'), fingerprint: 'f' },
    })
    const messages = [{ role: 'user', content: 'canary-prompt' }]
    const mine = { authorization: 'Bearer canary-client', 'user-agent': 'canary-agent' }
    const body = '{"choices":[],"canary":"canary-answer"}'
    backend.failWith(200, { body, headers: { 'content-type': 'application/json' } })
    await (await chat({ ...hello, messages }, mine)).text()
    await fetch(`${base}/v1/chat/completions?key=canary-query`, { method: 'POST', headers: mine })
    expect(named(await told(), REQUEST)).toHaveLength(2)
    expect(JSON.stringify(posts)).not.toContain('canary')
  })

  it('that nobody takes hold up no request, and are counted', async () => {
    answer = 400
    const metrics = await tracing()
    expect((await chat(hello)).status).toBe(200)
    await told()
    await eventually(async () =>
      (await metrics.metrics()).includes('signalbox_trace_spans_total{outcome="failed"} 4'),
    )
  })

  it('do not hold up the end of a proxy where the receiver says nothing', async () => {
    answer = null
    await tracing()
    expect((await chat(hello)).status).toBe(200)
    expect(named(await told(), REQUEST)).toHaveLength(1)
  })

  it('are not made where nobody is told of: what the client says passes as it is', async () => {
    await (await chat(hello, { traceparent, tracestate: 'vendor=1' })).text()
    const { headers } = backend.requests[0] ?? {}
    expect([headers?.['traceparent'], headers?.['tracestate']]).toEqual([traceparent, 'vendor=1'])
    expect(await told()).toEqual([])
  })
})
