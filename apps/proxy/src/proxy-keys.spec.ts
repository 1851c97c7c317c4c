// Client keys over real sockets: who may ask, for what, and that nobody else hears of the key.
import { createHash } from 'node:crypto'
import OpenAI from 'openai'
import { apply, backend, base, chat, codeOf, hello, useProxy } from './proxy-harness.ts'

useProxy()

const TOKEN = `sbx-${'A'.repeat(43)}`
const hashOf = (token: string) => createHash('sha256').update(token).digest('hex')
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const key = (more: object = {}) => apply('key', 'k1', { hash: hashOf(TOKEN), ...more })
const blocking = () => apply('settings', 'default', { clientAuth: 'blocking' })
const models = async (headers: Record<string, string> = {}) =>
  fetch(`${base}/v1/models`, { headers })

describe('a permissive fleet', () => {
  it('answers without a key, and with credentials that are none of ours', async () => {
    expect((await chat(hello)).status).toBe(200)
    expect((await chat(hello, bearer('sk-something'))).status).toBe(200)
    expect((await models()).status).toBe(200)
  })

  it('refuses a key of ours that is not known', async () => {
    const answer = await chat(hello, bearer(TOKEN))
    expect([answer.status, await codeOf(answer)]).toEqual([401, 'invalid_key'])
    expect(backend.requests).toEqual([])
  })
})

describe('a blocking fleet', () => {
  it('answers who shows a good key in any of the three headers', async () => {
    await key()
    await blocking()
    const shown = [bearer(TOKEN), { 'x-api-key': TOKEN }, { 'x-goog-api-key': TOKEN }]
    for (const headers of shown) expect((await chat(hello, headers)).status).toBe(200)
    const client = new OpenAI({ apiKey: TOKEN, baseURL: `${base}/v1`, maxRetries: 0 })
    expect((await client.models.list()).data).toHaveLength(1)
  })

  it('refuses everybody else before the body is read, and tells the SDK so', async () => {
    await key({ enabled: false })
    await blocking()
    for (const [headers, code] of [
      [{}, 'missing_key'],
      [bearer('sk-something'), 'missing_key'],
      [bearer(TOKEN), 'invalid_key'],
      [bearer('sbx-short'), 'invalid_key'],
    ] as const) {
      const answer = await chat('not json', headers)
      expect([answer.status, await codeOf(answer)]).toEqual([401, code])
      expect((await models(headers)).status).toBe(401)
    }
    const client = new OpenAI({ apiKey: TOKEN, baseURL: `${base}/v1`, maxRetries: 0 })
    await expect(client.models.list()).rejects.toThrow(OpenAI.AuthenticationError)
    expect((await fetch(`${base}/healthz`)).status).toBe(200)
    expect((await fetch(`${base}/health`)).status).toBe(200)
  })

  it('takes the former token of a rotated key until it is over, hot', async () => {
    const former = `sbx-${'B'.repeat(43)}`
    const previous = { hash: hashOf(former), until: '2999-01-01T00:00:00Z' }
    await key({ previous })
    await blocking()
    expect((await chat(hello, bearer(former))).status).toBe(200)
    await key({ previous: { ...previous, until: '2001-01-01T00:00:00Z' } })
    expect((await chat(hello, bearer(former))).status).toBe(401)
    expect((await chat(hello, bearer(TOKEN))).status).toBe(200)
    await apply('key', 'k1', null)
    expect((await chat(hello, bearer(TOKEN))).status).toBe(401)
  })
})

describe('a key that is for some routes', () => {
  beforeEach(async () => {
    const targets = [{ backend: 'b1', model: 'm1' }]
    await apply('route', 'mine', { aliases: ['also-mine'], tiers: [{ targets }] })
    await key({ routes: ['mine'] })
  })

  it('gets them by any of their names, and lists nothing else', async () => {
    for (const model of ['mine', 'also-mine']) {
      expect((await chat({ ...hello, model }, bearer(TOKEN))).status).toBe(200)
    }
    const { data } = (await (await models(bearer(TOKEN))).json()) as { data: { id: string }[] }
    expect(data.map(({ id }) => id)).toEqual(['also-mine', 'mine'])
    expect((await fetch(`${base}/v1/models/m1`, { headers: bearer(TOKEN) })).status).toBe(404)
  })

  it('gets no other one', async () => {
    const answer = await chat(hello, bearer(TOKEN))
    expect([answer.status, await codeOf(answer)]).toEqual([403, 'key_not_allowed'])
    expect(backend.requests).toEqual([])
  })
})

it('no backend is shown the key of a client', async () => {
  await key()
  const shown = { ...bearer(TOKEN), 'x-api-key': TOKEN, 'x-goog-api-key': TOKEN }
  expect((await chat(hello, shown)).status).toBe(200)
  expect(JSON.stringify(backend.requests.map(({ headers }) => headers))).not.toContain(TOKEN)
})
