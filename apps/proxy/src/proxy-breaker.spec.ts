// What requests find out about backends, over real sockets.
import { type ServerResponse } from 'node:http'
import { eventually, type MockBackend, startMockBackend } from '@signalbox/testing'
import { apply, backend, base, chat, hello, useProxy } from './proxy-harness.ts'

useProxy()

let other: MockBackend
beforeEach(async () => {
  other = await startMockBackend({ models: ['m1'] })
})
afterEach(() => other.stop())

const addOther = () =>
  apply('backend', 'b2', { kind: 'openai-compatible', url: other.url, models: ['m1'] })

async function statuses(count: number): Promise<number[]> {
  const all = []
  for (let n = 0; n < count; n++) {
    const answer = await chat(hello)
    all.push(answer.status)
    await answer.text()
  }
  return all
}

async function facts(id: string) {
  const answer = await fetch(`${base}/admin/health`)
  const { backends } = (await answer.json()) as {
    backends: { id: string; breaker: { state: string } }[]
  }
  return backends.find((one) => one.id === id)
}

it('a backend that answers 500 again and again is left alone, and one can see it', async () => {
  await apply('policy', 'default', { breaker: { openMs: '10m', openMsMax: '10m' } })
  await addOther()
  backend.failWith(500)
  const all = await statuses(20)
  expect(all.filter((status) => status === 500)).toHaveLength(5)
  expect(all.slice(-10)).toEqual(new Array(10).fill(200))
  expect(await facts('b1')).toMatchObject({
    eligible: false,
    breaker: { state: 'open', cause: 'failures', failures: 5, ejections: 1 },
    pool: { open: expect.any(Number), idle: expect.any(Number), pending: 0 },
  })
  expect(await facts('b2')).toMatchObject({ eligible: true, breaker: { state: 'closed' } })
  const metrics = await (await fetch(`${base}/metrics`)).text()
  expect(metrics).toContain('signalbox_ejections_total{backend="b1",cause="failures"} 1')
})

it('it comes back with one request that is answered', async () => {
  await apply('policy', 'default', { breaker: { openMs: 1, slowStartMs: 1 } })
  await addOther()
  backend.failWith(500, { times: 5 })
  await statuses(40)
  expect(await facts('b1')).toMatchObject({ eligible: true, breaker: { state: 'closed' } })
  expect(backend.requests.length).toBeGreaterThan(10)
})

it('a sole backend is never left alone for what it answers', async () => {
  backend.failWith(500)
  expect(await statuses(12)).toEqual(new Array(12).fill(500))
  expect(backend.requests).toHaveLength(12)
})

it('answers that the client is at fault for, or that ask for patience, eject nobody', async () => {
  await addOther()
  backend.failWith(429)
  other.failWith(400)
  await statuses(20)
  expect(await facts('b1')).toMatchObject({ breaker: { state: 'closed', failures: 0 } })
  expect(await facts('b2')).toMatchObject({ breaker: { state: 'closed', failures: 0 } })
})

describe('a backend of which one model fails', () => {
  const EVENTS = { 'content-type': 'text/event-stream' }
  const EVENT = 'data: {"choices":[]}\n\n'
  const to = (model: string) => ({
    tiers: [{ targets: [{ backend: 'b1', model }] }, SPARE],
  })
  const SPARE = { targets: [{ backend: 'b2', model: 'm1' }] }
  const ask = async (model: string) => {
    const answer = await chat({ ...hello, model })
    await answer.text()
    return [answer.status, answer.headers.get('x-signalbox-backend')]
  }
  beforeEach(async () => {
    await apply('policy', 'default', { breaker: { openMs: '10m', openMsMax: '10m' } })
    await addOther()
    await apply('route', 'broken', to('broken'))
    await apply('route', 'well', to('well'))
    backend.setModels(['well'])
    backend.answerWith((_request, response) => {
      const { body } = backend.requests.at(-1) ?? {}
      const broken = body?.toString().includes('broken') === true
      response.writeHead(broken ? 500 : 200, { 'content-type': 'application/json' }).end('{}')
    })
  })

  it('is left alone for that one, and serves the others', async () => {
    expect(await ask('well')).toEqual([200, 'b1'])
    for (let n = 0; n < 5; n++) expect(await ask('broken')).toEqual([500, 'b1'])
    expect(await ask('broken')).toEqual([200, 'b2'])
    expect(await ask('well')).toEqual([200, 'b1'])
    expect(await facts('b1')).toMatchObject({
      ...{ eligible: true, breaker: { state: 'closed' } },
    })
    const health = await facts('b1')
    expect(health?.breaker).toMatchObject({ models: [{ model: 'broken', state: 'open' }] })
  })

  it('is left alone for one whose streams begin well and always break off', async () => {
    expect(await ask('well')).toEqual([200, 'b1'])
    backend.answerWith((_request, response) => {
      response.writeHead(200, EVENTS).write(EVENT, () => response.destroy())
    })
    const begin = async () => {
      const answer = await chat({ ...hello, model: 'broken', stream: true })
      await answer.text().catch(() => '')
      return answer.headers.get('x-signalbox-backend')
    }
    for (let n = 0; n < 5; n++) expect(await begin()).toBe('b1')
    expect(await begin()).toBe('b2')
  })

  it('is not charged at its new address with what began at the old one', async () => {
    const held: ServerResponse[] = []
    backend.answerWith((_request, response) => {
      response.writeHead(200, EVENTS).write(EVENT)
      held.push(response)
    })
    const begin = () => chat({ ...hello, model: 'broken', stream: true })
    const begun = await Promise.all(Array.from({ length: 6 }, begin))
    expect(begun.map(({ status }) => status)).toEqual(begun.map(() => 200))
    await apply('backend', 'b1', { kind: 'vllm', url: other.url, models: ['m1'] })
    for (const response of held) response.destroy()
    for (const answer of begun) await expect(answer.text()).rejects.toThrow()
    expect(await facts('b1')).toMatchObject({ breaker: { state: 'closed', failures: 0 } })
    const metrics = await (await fetch(`${base}/metrics`)).text()
    expect(metrics).not.toContain('signalbox_ejections_total{backend="b1"')
  })

  it('is left alone for it where the route has no other backend, but another model', async () => {
    const targets = ['broken', 'well'].map((model) => ({ backend: 'b1', model }))
    await apply('route', 'both', { tiers: [{ targets }] })
    await ask('well')
    const all = []
    for (let n = 0; n < 20; n++) all.push((await ask('both'))[0])
    expect(all.filter((status) => status === 500)).toHaveLength(5)
    expect(all.slice(-9)).toEqual(new Array(9).fill(200))
  })
})

it('off, it ejects nobody', async () => {
  await apply('policy', 'default', { breaker: { enabled: false } })
  await addOther()
  backend.failWith(500)
  expect((await statuses(20)).filter((status) => status === 500)).toHaveLength(10)
})

it('a later tier takes over from one that is left alone altogether', async () => {
  await apply('policy', 'default', { breaker: { openMs: '10m', openMsMax: '10m' } })
  await addOther()
  await apply('route', 'm1', {
    tiers: [{ targets: [{ backend: 'b1' }] }, { targets: [{ backend: 'b2' }] }],
  })
  backend.failWith(500)
  const all = await statuses(12)
  expect(all.filter((status) => status === 500)).toHaveLength(5)
  expect(all.slice(-7)).toEqual(new Array(7).fill(200))
})

it('a stream that is answered closes the breaker when it begins, not when it ends', async () => {
  await apply('policy', 'default', { breaker: { openMs: 1, slowStartMs: 1 } })
  await addOther()
  backend.failWith(500, { times: 5 })
  await statuses(12)
  backend.holdEvents()
  other.holdEvents()
  const streams = []
  // One of the two gets the probing request; nothing of it has ended yet.
  for (let n = 0; n < 4; n++) streams.push(chat({ ...hello, stream: true }))
  await eventually(async () => (await facts('b1'))?.breaker.state === 'closed')
  backend.release()
  other.release()
  for (const one of streams) await (await one).text()
})
