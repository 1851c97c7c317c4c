// The proxy over real sockets: answers that are given again, and calls that are shared.
import { createHash } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { createMetrics, systemClock } from '@signalbox/host'
import { eventually, findRedisServer, type RedisServer, startRedisServer } from '@signalbox/testing'
import { Redis } from 'ioredis'
import { apply, backend, base, chat, codeOf, hello, raw, start, useProxy } from './proxy-harness.ts'

useProxy()

const ONE = `sbx-${'1'.repeat(40)}`
const TWO = `sbx-${'2'.repeat(40)}`
const CACHED = { cache: { enabled: true } }
const policy = (spec: object) => apply('policy', 'default', spec)
const cacheOf = (answer: Response) => answer.headers.get('x-signalbox-cache')
const say = (content: string, more: object = {}) => ({
  ...{ model: 'm1', messages: [{ role: 'user', content }], ...more },
})
/** What it came to, and how. */
async function ask(body: object, headers: Record<string, string> = {}) {
  const answer = await chat(body, headers)
  return { status: answer.status, cache: cacheOf(answer), text: await answer.text(), answer }
}

describe('the cache', () => {
  it('is off: nothing is kept, and nothing said of it', async () => {
    expect((await ask(hello)).cache).toBeNull()
    expect((await ask(hello)).cache).toBeNull()
    expect(backend.requests).toHaveLength(2)
  })

  it('gives the same answer to the same request, and says which backend and revision', async () => {
    await policy(CACHED)
    const first = await ask(hello)
    const again = await ask(hello)
    expect([first.cache, again.cache, again.status]).toEqual(['miss', 'hit', 200])
    expect(again.text).toBe(first.text)
    const { headers } = again.answer
    expect(headers.get('x-signalbox-backend')).toBe('b1')
    expect(headers.get('x-signalbox-attempts')).toBe('0')
    expect(headers.get('x-request-id')).not.toBe(first.answer.headers.get('x-request-id'))
    expect(headers.get('content-type')).toBe(first.answer.headers.get('content-type'))
    expect(backend.requests).toHaveLength(1)
  })

  it('asks again for another body, header or model, and another version of the backend', async () => {
    await policy(CACHED)
    await ask(hello)
    expect((await ask(say('Other'))).cache).toBe('miss')
    expect((await ask({ ...hello, temperature: 1 })).cache).toBe('miss')
    expect((await ask(hello, { 'openai-beta': 'x' })).cache).toBe('miss')
    expect((await ask(hello, { 'user-agent': 'other' })).cache).toBe('hit')
    await apply('backend', 'b1', {
      kind: 'openai-compatible',
      url: backend.url,
      models: ['m1', 'm2'],
    })
    expect((await ask(hello)).cache).toBe('miss')
  })

  it('gives a stream again, event by event, with its end', async () => {
    await policy(CACHED)
    const stream = { ...hello, stream: true }
    const first = await ask(stream)
    const again = await ask(stream)
    expect([first.cache, again.cache]).toEqual(['miss', 'hit'])
    expect(again.text).toBe(first.text)
    expect(again.text).toMatch(/data: \[DONE\]\n\n$/)
    expect(again.answer.headers.get('content-type')).toMatch(/^text\/event-stream/)
  })

  it('keeps no stream where the policy says so', async () => {
    await policy({ cache: { enabled: true, streams: false } })
    const stream = { ...hello, stream: true }
    await ask(stream)
    expect((await ask(stream)).cache).toBe('bypass')
    expect(backend.requests).toHaveLength(2)
  })

  it('keeps neither a refusal, nor an answer that was cut, nor one that is too long', async () => {
    await policy({ cache: { enabled: true, maxBytes: 1_024 }, retry: { maxRetries: 0 } })
    backend.failWith(400)
    expect((await ask(hello)).status).toBe(400)
    backend.heal()
    backend.cutAfter(1)
    await ask({ ...hello, stream: true }).catch(() => {})
    backend.heal()
    expect((await ask({ ...hello, stream: true })).cache).toBe('miss')
    backend.setPieces({ count: 40, text: 'x'.repeat(100) })
    expect((await ask(say('long'))).cache).toBe('miss')
    expect((await ask(say('long'))).cache).toBe('miss')
    backend.setPieces(undefined)
    expect((await ask(hello)).cache).toBe('miss')
    expect((await ask(hello)).cache).toBe('hit')
  })

  it('obeys a client that wants none of it, or a fresh one', async () => {
    await policy(CACHED)
    await ask(hello)
    expect((await ask(hello, { 'cache-control': 'no-store' })).cache).toBe('bypass')
    const fresh = await ask(hello, { 'cache-control': 'no-cache' })
    expect(fresh.cache).toBe('miss')
    expect((await ask(hello)).text).toBe(fresh.text)
    expect(backend.requests).toHaveLength(3)
  })

  it('never mixes callers', async () => {
    await policy(CACHED)
    await apply('key', 'k1', { hash: sha(ONE), routes: ['*'] })
    await apply('key', 'k2', { hash: sha(TWO), routes: ['*'] })
    const as = (token: string) => ask(hello, { authorization: `Bearer ${token}` })
    expect((await as(ONE)).cache).toBe('miss')
    expect((await as(TWO)).cache).toBe('miss')
    expect((await ask(hello)).cache).toBe('miss')
    expect((await as(ONE)).cache).toBe('hit')
    expect(backend.requests).toHaveLength(3)
  })

  it('forgets when its time is over', async () => {
    let nowMs = 1_000_000
    await start({ id: 'p2' }, { clock: { ...systemClock, nowMs: () => nowMs } })
    await policy({ cache: { enabled: true, ttl: 30 } })
    await ask(hello)
    nowMs += 29_999
    expect((await ask(hello)).cache).toBe('hit')
    nowMs += 1
    expect((await ask(hello)).cache).toBe('miss')
  })
})

function sha(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

const DEDUPED = { deduplication: { enabled: true } }

describe('deduplication', () => {
  it('shares one call of the backend between identical requests at the same time', async () => {
    await policy(DEDUPED)
    backend.holdEvents()
    const all = Array.from({ length: 5 }, () => ask(hello))
    const other = ask(say('Other'))
    await backend.requested(2)
    await flown(2)
    backend.release()
    const answers = await Promise.all(all)
    expect(answers.map(({ cache }) => cache).sort()).toEqual([
      ...Array.from({ length: 4 }, () => 'coalesced'),
      'miss',
    ])
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1)
    expect((await other).cache).toBe('miss')
    expect(backend.requests).toHaveLength(2)
    // Without `replay` nothing is kept.
    expect((await ask(hello)).cache).toBe('miss')
  })

  it('gives the answer again for its time where the policy says so', async () => {
    await policy({ deduplication: { enabled: true, replay: true } })
    await ask(hello)
    expect((await ask(hello)).cache).toBe('hit')
  })

  it('lets another ask where the client of the one who asks has left', async () => {
    await policy(DEDUPED)
    backend.hang()
    const leaver = new AbortController()
    const left = chat(hello, {}, leaver.signal).catch((error: Error) => error.name)
    await backend.requested(1)
    const others = [ask(hello), ask(hello)]
    await flown(1)
    await joined(2)
    backend.heal()
    leaver.abort()
    expect(await left).toBe('AbortError')
    const answers = await Promise.all(others)
    expect(answers.map(({ status, cache }) => `${status} ${cache}`).sort()).toEqual([
      '200 coalesced',
      '200 miss',
    ])
    expect(backend.requests).toHaveLength(2)
  })

  it('shares a refusal too, and lets each go its own way where there was no answer', async () => {
    await policy({ deduplication: { enabled: true }, retry: { maxRetries: 0 } })
    backend.holdEvents()
    backend.failWith(400)
    const refused = await Promise.all([ask(hello), ask(hello)])
    expect(refused.map(({ status }) => status)).toEqual([400, 400])
    backend.heal()
    backend.release()
    backend.reset()
    const broken = await Promise.all([chat(hello), chat(hello)])
    expect(await Promise.all(broken.map(codeOf))).toEqual(['upstream_failed', 'upstream_failed'])
  })

  it('does not hold up who waits for a client that does not read', async () => {
    await policy({ deduplication: { enabled: true, maxBytes: 8_000_000 } })
    backend.holdEvents()
    backend.setPieces({ count: 500, text: 'x'.repeat(10_000) })
    const slow = stalled()
    await backend.requested(1)
    const quick = raw(asText('close'))
    await joined(1)
    backend.release()
    expect((await quick).length).toBeGreaterThan(5_000_000)
    slow.destroy()
  })
})

function asText(connection: string): string {
  const text = JSON.stringify(hello)
  const lines = ['POST /v1/chat/completions HTTP/1.1', 'host: a', 'content-type: application/json']
  return [...lines, `connection: ${connection}`, `content-length: ${text.length}`, '', text].join(
    '\r\n',
  )
}

/** A client that asks and never reads. */
function stalled(): Socket {
  const socket = connect(Number(new URL(base).port), '127.0.0.1')
  socket.pause()
  socket.write(asText('keep-alive'))
  return socket
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${base}/metrics`)).text()
  return Number(new RegExp(`^${name} (.+)$`, 'm').exec(text)?.[1] ?? 0)
}
const flown = (count: number) =>
  eventually(async () => (await metric('signalbox_cache_flights')) === count)
const joined = (count: number) =>
  eventually(async () => (await metric('signalbox_cache_waiting')) === count)

const WITHOUT_REDIS =
  'the shared cache: skipped, redis-server is not on PATH (apt-get install redis-server)'

if (findRedisServer() === undefined) it.skip(WITHOUT_REDIS, () => {})
else
  describe('the shared cache', () => {
    let redis: RedisServer
    beforeAll(async () => (redis = await startRedisServer()))
    afterAll(() => redis.stop())

    /** Until this proxy has its connection to Redis, which nobody waits for. */
    async function connected(): Promise<void> {
      await eventually(async () => {
        await ask(say('warm'), { 'cache-control': 'no-cache' })
        return (await metric('signalbox_cache_shared_connected')) === 1
      })
    }

    it('is found by another proxy, and Redis sees neither prompt nor answer', async () => {
      await start({ id: 'p2', redisUrl: redis.url })
      await policy(CACHED)
      await connected()
      const secret = 'a prompt that nobody may see'
      const first = await ask(say(secret))
      const reader = new Redis(redis.url)
      await eventually(async () => (await reader.keys('*')).length > 0)
      const names = await reader.keys('*')
      const values = await Promise.all(names.map((name) => reader.getBuffer(name)))
      reader.disconnect()
      const seen = Buffer.concat(values.map((value) => value ?? Buffer.alloc(0))).toString('latin1')
      const words = (JSON.parse(first.text) as { choices: [{ message: { content: string } }] })
        .choices
      expect(names.join()).toMatch(/^(?:sb:default:answer:[\w-]{43},?)+$/)
      for (const text of [secret, words[0].message.content, 'choices']) {
        expect(seen.includes(text)).toBe(false)
      }
      await start({ id: 'p3', redisUrl: redis.url })
      await connected()
      const again = await ask(say(secret))
      expect(again.cache).toBe('hit')
      expect(again.text).toBe(first.text)
    })

    it('is a miss where it is frozen or gone, never an error, and is used when it is back', async () => {
      await start(
        { id: 'p4', redisUrl: redis.url, redisAnswerMs: 25 },
        { metrics: createMetrics() },
      )
      await policy(CACHED)
      await connected()
      redis.freeze()
      for (let n = 0; n < 5; n++) expect((await ask(say(`frozen ${n}`))).status).toBe(200)
      expect(await metric('signalbox_cache_shared_errors_total')).toBeGreaterThan(0)
      redis.thaw()
      await redis.restart()
      for (let n = 0; n < 5; n++) expect((await ask(say(`gone ${n}`))).status).toBe(200)
      await connected()
    })

    it('takes no value that was not written here under that name', async () => {
      await start({ id: 'p5', redisUrl: redis.url })
      await policy(CACHED)
      await connected()
      await ask(say('forged'))
      const writer = new Redis(redis.url)
      for (const name of await writer.keys('*')) await writer.set(name, 'not an answer')
      writer.disconnect()
      await start({ id: 'p6', redisUrl: redis.url })
      await connected()
      expect((await ask(say('forged'))).status).toBe(200)
    })
  })
