import { DEFAULT_POLICY } from '@signalbox/model'
// The proxy over real sockets and a clock that the test moves: deadlines, waits, ejections.
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { eventually, type ManualClock, manualClock } from '@signalbox/testing'
import { apply, backend, chat, codeOf, hello, proxy, start, useProxy } from './proxy-harness.ts'
import { TICK_MS } from './timer-wheel.ts'

const STEP_MS = 10
let clock: ManualClock

/** Moves time on in small steps, as it does while others work, until this settles. */
async function whileTimePasses<Value>(promise: Promise<Value>): Promise<Value> {
  let settled = false
  void promise.finally(() => (settled = true)).catch(() => {})
  await eventually(() => {
    if (!settled) clock.advance(STEP_MS)
    return settled
  })
  return promise
}

// Before the hook that stops all: this clock stands still otherwise.
afterEach(() => whileTimePasses(proxy.stop()))
useProxy()
beforeEach(async () => {
  await proxy.stop()
  clock = manualClock()
  await start({}, { clock })
  await whileTimePasses(eventually(() => proxy.configuration.current() !== undefined))
})

const change = (...args: Parameters<typeof apply>) => whileTimePasses(apply(...args))
const stream = { ...hello, stream: true }

describe('the deadline of a request', () => {
  it('ends an answer that has not begun with 504', async () => {
    await change('policy', 'default', { timeouts: { totalMs: 60_000 } })
    backend.hang()
    const asked = chat(hello)
    await backend.requested(1)
    clock.advance(60_000 + TICK_MS)
    const answer = await asked
    expect([answer.status, await codeOf(answer)]).toEqual([504, 'upstream_timeout'])
    await backend.disconnected(1)
  })

  it('of a stream ends it with an error event and a broken connection', async () => {
    await change('policy', 'default', { timeouts: { totalMs: 1_000, streamTotalMs: 60_000 } })
    backend.holdEvents()
    const answer = await chat(stream)
    const reader = answer.body?.getReader()
    clock.advance(60_000 + TICK_MS)
    const first = await reader?.read()
    expect(Buffer.from(first?.value ?? []).toString()).toMatch('"code":"upstream_timeout"')
    await expect(reader?.read()).rejects.toThrow()
    await backend.disconnected(1)
  })

  it('for the first byte is kept to a tenth of a second, and over once that is there', async () => {
    await change('policy', 'default', { timeouts: { firstByteMs: 300 } })
    backend.hang()
    const late = chat(hello)
    await backend.requested(1)
    clock.advance(300 + TICK_MS)
    const answer = await late
    expect([answer.status, await codeOf(answer)]).toEqual([504, 'upstream_timeout'])
    await backend.disconnected(1)

    backend.heal()
    backend.holdEvents()
    const begun = await chat(stream)
    clock.advance(10_000)
    backend.release()
    expect(await begun.text()).toMatch(/data: \[DONE\]\n\n$/)
  })

  it('does not touch what ended before it', async () => {
    await change('policy', 'default', { timeouts: { totalMs: 60_000 } })
    expect((await chat(hello)).status).toBe(200)
    clock.advance(120_000)
    expect((await chat(hello)).status).toBe(200)
  })
})

describe('a backend that accepts connections and says no word of TLS', () => {
  let mute: Server
  const sockets = new Set<Socket>()
  beforeEach(async () => {
    mute = createServer((socket) => {
      sockets.add(socket.on('error', () => {}))
      socket.once('close', () => sockets.delete(socket))
    })
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
    await change('policy', 'default', { timeouts: { connectMs: 10_000, totalMs: 15_000 } })
    const { port } = mute.address() as AddressInfo
    const url = `https://127.0.0.1:${port}`
    for (const id of ['d1', 'd2']) {
      await change('backend', id, { kind: 'openai-compatible', url, models: ['mute'] })
    }
  })
  afterEach(async () => {
    const closed = new Promise((resolve) => mute.close(resolve))
    for (const socket of sockets) socket.destroy()
    await closed
  })

  it('is given up after the connect time, and the next one is tried in what is left', async () => {
    const asked = chat({ ...hello, model: 'mute' })
    await eventually(() => sockets.size === 1)
    clock.advance(10_000 + TICK_MS)
    await eventually(() => sockets.size === 2)
    clock.advance(5_000 + TICK_MS)
    const answer = await asked
    expect([answer.status, await codeOf(answer)]).toEqual([504, 'upstream_timeout'])
    expect(answer.headers.get('x-signalbox-attempts')).toBe('2')
  })

  it('is answered for with 502 when no other is left', async () => {
    await change('backend', 'd2', null)
    const asked = chat({ ...hello, model: 'mute' })
    await eventually(() => sockets.size === 1)
    clock.advance(10_000 + TICK_MS)
    const answer = await asked
    expect([answer.status, await codeOf(answer)]).toEqual([502, 'upstream_connect_failed'])
    // An SDK would try three times again what was tried as often as the policy lets.
    expect(answer.headers.get('x-should-retry')).toBe('false')
  })
})

describe('a backend that accepts no connection', () => {
  it('is left alone after three failures in a row, for a time', async () => {
    await backend.refuse()
    const answers = []
    for (let i = 0; i < 4; i++) answers.push(await codeOf(await chat(hello)))
    const failed = 'upstream_connect_failed'
    expect(answers).toEqual([failed, failed, failed, 'no_backend'])
    await backend.accept()
    expect((await chat(hello)).status).toBe(503)
    clock.advance(DEFAULT_POLICY.breaker.openMs)
    expect((await chat(hello)).status).toBe(200)
  })

  it('is tried again at once when its address is corrected', async () => {
    const url = backend.url
    const wrong = { kind: 'openai-compatible', url: url.replace('http:', 'https:'), models: ['m1'] }
    await change('backend', 'b1', wrong)
    for (let i = 0; i < 3; i++) expect((await chat(hello)).status).toBe(502)
    expect((await chat(hello)).status).toBe(503)
    await change('backend', 'b1', { ...wrong, url, tls: { verify: false } })
    expect((await chat(hello)).status).toBe(200)
  })

  it('is not left alone while some of its connections succeed', async () => {
    for (let i = 0; i < 4; i++) {
      await backend.refuse()
      for (let j = 0; j < 2; j++) expect((await chat(hello)).status).toBe(502)
      await backend.accept()
      expect((await chat(hello)).status).toBe(200)
    }
  })

  it.each([0, 1, 2])('costs exactly 1 + maxRetries attempts (%d)', async (maxRetries) => {
    const dead = { kind: 'openai-compatible', url: backend.url, models: ['dead'] }
    await change('policy', 'default', { retry: { maxRetries } })
    for (const id of ['d1', 'd2', 'd3', 'd4']) await change('backend', id, dead)
    await backend.refuse()
    const answer = await chat({ ...hello, model: 'dead' })
    expect([answer.status, await codeOf(answer)]).toEqual([502, 'upstream_connect_failed'])
    expect(answer.headers.get('x-signalbox-attempts')).toBe(String(1 + maxRetries))
  })
})

describe('an unknown model', () => {
  it('is unknown at once where every backend has told its models', async () => {
    expect((await chat({ ...hello, model: 'nope' })).status).toBe(404)
  })

  it('is waited for while a backend is being discovered, but not for ever', async () => {
    await change('backend', 'b2', { kind: 'openai-compatible', url: backend.url })
    const answer = await whileTimePasses(chat({ ...hello, model: 'nope' }))
    expect([answer.status, await codeOf(answer)]).toEqual([404, 'model_not_found'])
  })
})
