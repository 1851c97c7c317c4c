// Limits over real sockets, by a clock that the test moves: who is refused, what he is told, and
// that nobody else notices.
import { createHash } from 'node:crypto'
import { createMetrics, systemClock } from '@signalbox/host'
import { eventually, startMockBackend } from '@signalbox/testing'
import OpenAI from 'openai'
import {
  apply,
  backend,
  base,
  chat,
  codeOf,
  hello,
  proxy,
  start,
  useProxy,
} from './proxy-harness.ts'

useProxy()

const TOKEN = `sbx-${'A'.repeat(43)}`
const hash = createHash('sha256').update(TOKEN).digest('hex')
const auth = { authorization: `Bearer ${TOKEN}` }
const key = (limits: object) => apply('key', 'k1', { hash, limits })
const settings = (spec: object) => apply('settings', 'default', spec)
const limitsIn = ({ headers }: Response) =>
  Object.fromEntries([...headers].filter(([name]) => /^x-ratelimit|^retry-after/.test(name)))

/** A slow request, and how to end it. */
function slow(headers: Record<string, string> = auth) {
  const leaving = new AbortController()
  const answered = chat({ ...hello, stream: true }, headers, leaving.signal)
  return { answered, leave: () => leaving.abort() }
}

/** A proxy for which no time passes but what the test adds. */
async function standStill(): Promise<{ pass: (ms: number) => void }> {
  let nowMs = systemClock.monotonicMs()
  await proxy.stop()
  await start({}, { clock: { ...systemClock, monotonicMs: () => nowMs } })
  return { pass: (ms) => void (nowMs += ms) }
}

describe('requests a minute of a key', () => {
  it('are let through, counted in every answer, and refused when they are used up', async () => {
    await standStill()
    await key({ rpm: 2 })
    const first = await chat(hello, auth)
    expect(limitsIn(first)).toEqual({
      'x-ratelimit-limit-requests': '2',
      'x-ratelimit-remaining-requests': '1',
      'x-ratelimit-reset-requests': '30s',
    })
    expect((await chat(hello, auth)).status).toBe(200)
    const refused = await chat(hello, auth)
    expect([refused.status, limitsIn(refused)]).toEqual([
      429,
      {
        'x-ratelimit-limit-requests': '2',
        'x-ratelimit-remaining-requests': '0',
        'x-ratelimit-reset-requests': '60s',
        'retry-after': '30',
      },
    ])
    expect(await refused.json()).toMatchObject({
      error: {
        code: 'rate_limited',
        type: 'rate_limit_error',
        message: 'the key has used up its requests a minute',
      },
    })
    expect(backend.requests).toHaveLength(2)
    const client = new OpenAI({ apiKey: TOKEN, baseURL: `${base}/v1`, maxRetries: 0 })
    const asked = client.chat.completions.create({ model: 'm1', messages: [] })
    await expect(asked).rejects.toThrow(OpenAI.RateLimitError)
  })

  it('are told in the shape of the dialect that was asked in', async () => {
    await key({ rpm: 1 })
    expect((await chat(hello, auth)).status).toBe(200)
    const ask = (path: string, body: object) =>
      fetch(`${base}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...auth },
        body: JSON.stringify(body),
      })
    const anthropic = await ask('/v1/messages', { ...hello, max_tokens: 5 })
    expect([anthropic.status, await anthropic.json()]).toMatchObject([
      429,
      { type: 'error', error: { type: 'rate_limit_error' } },
    ])
    const gemini = await ask('/v1beta/models/m1:generateContent', { contents: [] })
    expect([gemini.status, await gemini.json()]).toMatchObject([
      429,
      { error: { status: 'RESOURCE_EXHAUSTED' } },
    ])
  })

  it('come back with time, and with a higher limit at once', async () => {
    const time = await standStill()
    await key({ rpm: 1 })
    const statuses = async () => (await chat(hello, auth)).status
    expect([await statuses(), await statuses()]).toEqual([200, 429])
    time.pass(60_000)
    expect([await statuses(), await statuses()]).toEqual([200, 429])
    await key({ rpm: 2 })
    expect([await statuses(), await statuses()]).toEqual([200, 429])
  })

  it('are nobody else’s', async () => {
    await key({ rpm: 1 })
    await chat(hello, auth)
    expect((await chat(hello, auth)).status).toBe(429)
    const other = await chat(hello)
    expect([other.status, limitsIn(other)]).toEqual([200, {}])
  })

  it('are not used up by what another limit refuses', async () => {
    await key({ rpm: 5 })
    await apply('policy', 'default', { limits: { rpm: 1 } })
    await chat(hello, auth)
    for (let n = 0; n < 3; n++) {
      const refused = await chat(hello, auth)
      expect(limitsIn(refused)).toMatchObject({ 'retry-after': '60' })
      expect(await refused.text()).toContain('the model \\"m1\\" has used up its requests a minute')
    }
    await apply('policy', 'default', {})
    expect(limitsIn(await chat(hello, auth))).toMatchObject({
      'x-ratelimit-remaining-requests': '3',
    })
  })
})

describe('requests at a time', () => {
  it('are free again when a client leaves, and when an answer is over', async () => {
    await key({ concurrency: 1 })
    backend.hang({ times: 1 })
    const held = slow()
    await eventually(() => backend.requests.length === 1)
    const refused = await chat(hello, auth)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1'])
    expect(await refused.text()).toContain('requests at a time')
    held.leave()
    await expect(held.answered).rejects.toThrow()
    await eventually(async () => (await chat(hello, auth)).status === 200)
    expect((await chat(hello, auth)).status).toBe(200)
  })

  it('are free again after every way to fail', async () => {
    await key({ concurrency: 1 })
    for (const body of ['no json', { model: 'nobody-has-it' }, {}]) {
      expect((await chat(body, auth)).status).toBeGreaterThanOrEqual(400)
    }
    await backend.stop()
    expect((await chat(hello, auth)).status).toBe(502)
    expect((await chat(hello, auth)).status).not.toBe(429)
  })
})

describe('tokens a minute', () => {
  it('are held by what a request may need, and shown', async () => {
    await key({ tpm: 10_000 })
    const answer = await chat({ ...hello, max_tokens: 1_000 }, auth)
    expect(limitsIn(answer)).toMatchObject({ 'x-ratelimit-limit-tokens': '10000' })
    const left = Number(answer.headers.get('x-ratelimit-remaining-tokens'))
    expect(left).toBeGreaterThan(8_900)
    expect(left).toBeLessThan(9_000)
  })

  it('refuse what is over them, until the backend has counted', async () => {
    await standStill()
    await key({ tpm: 1_000 })
    const long = { ...hello, messages: [{ role: 'user', content: 'x'.repeat(3_000) }] }
    backend.hang({ times: 1 })
    const leaving = new AbortController()
    const held = chat(long, auth, leaving.signal)
    await backend.requested(1)
    const refused = await chat(long, auth)
    expect([refused.status, await codeOf(refused)]).toEqual([429, 'rate_limited'])
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(60)
    leaving.abort()
    await expect(held).rejects.toThrow()
    // It never answered: what was held for it is there again.
    await eventually(async () => {
      const answer = await chat(hello, auth)
      await answer.arrayBuffer()
      return answer.status === 200
    })
    const next = await chat({ ...hello, max_tokens: 1 }, auth)
    expect(Number(next.headers.get('x-ratelimit-remaining-tokens'))).toBeGreaterThan(900)
  })

  it('are given back where no backend was reached', async () => {
    await key({ tpm: 1_000 })
    await backend.stop()
    for (let n = 0; n < 5; n++) expect((await chat(hello, auth)).status).not.toBe(429)
  })
})

describe('limits of the fleet and of addresses', () => {
  it('hold for everybody', async () => {
    await settings({ limits: { rpm: 1 } })
    expect((await chat(hello)).status).toBe(200)
    const refused = await chat(hello)
    expect(await refused.text()).toContain('the fleet has used up its requests a minute')
  })

  it('go by the peer, and by x-forwarded-for only from whom is trusted', async () => {
    await settings({ addressLimits: { rpm: 1 } })
    const from = async (address: string) =>
      (await chat(hello, { 'x-forwarded-for': address })).status
    expect([await from('192.0.2.1'), await from('192.0.2.2')]).toEqual([200, 429])
    await settings({ addressLimits: { rpm: 1 }, trustedProxies: ['127.0.0.0/8'] })
    expect([await from('192.0.2.1'), await from('192.0.2.2')]).toEqual([200, 200])
    expect([await from('198.51.100.9, 192.0.2.1'), await from('2001:db8::1')]).toEqual([429, 200])
    expect(await from('2001:0db8:0:0:1::2')).toBe(429)
  })
})

describe('limits of a backend', () => {
  it('send requests past it to another one, and say so when there is none', async () => {
    const other = await startMockBackend({ models: ['m1'] })
    const spec = (url: string, limits: object) =>
      ({ kind: 'openai-compatible', url, models: ['m1'], limits }) as const
    try {
      await apply('backend', 'b1', spec(backend.url, { rpm: 1 }))
      await apply('backend', 'b2', spec(other.url, {}))
      for (let n = 0; n < 6; n++) expect((await chat(hello)).status).toBe(200)
      expect([backend.requests.length, other.requests.length]).toEqual([1, 5])
      await apply('backend', 'b2', null)
      const refused = await chat(hello)
      expect([refused.status, await codeOf(refused)]).toEqual([503, 'backend_full'])
    } finally {
      await other.stop()
    }
  })
})

it('decisions are counted by whose limit it was', async () => {
  const metrics = createMetrics()
  await proxy.stop()
  await start({}, { metrics })
  await key({ rpm: 1 })
  for (let n = 0; n < 3; n++) await chat(hello, auth)
  const text = await metrics.metrics()
  expect(text).toContain('signalbox_limiter_decisions_total{limit="key",outcome="allowed"} 1')
  expect(text).toContain('signalbox_limiter_decisions_total{limit="key",outcome="refused"} 2')
})

it('two proxies on one bus have one limit', async () => {
  await key({ rpm: 10 })
  const first = base
  const metrics = createMetrics()
  await start({ id: 'p2' }, { metrics })
  await key({ rpm: 10 })
  const at = (url: string) =>
    fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...auth },
      body: JSON.stringify(hello),
    })
  for (let n = 0; n < 10; n++) expect((await at(first)).status).toBe(200)
  const heard = async () => /^signalbox_limiter_holders 1$/m.test(await metrics.metrics())
  await eventually(heard)
  expect((await at(base)).status).toBe(429)
  expect(backend.requests).toHaveLength(10)
})
