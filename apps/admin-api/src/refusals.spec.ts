import { randomUUID } from 'node:crypto'
import { createHash } from 'node:crypto'
import { jest } from '@jest/globals'
import { type Api, SPEC, startApi } from './api-harness.ts'

let at: Api

beforeEach(async () => {
  at = await startApi()
})
afterEach(() => at.end())

const patchOf = (id: string) => ({ op: 'patch', resource: 'backend', id, spec: { weight: 2 } })
const change = (operations: readonly object[], headers: Record<string, string> = {}) =>
  at.call('POST', 'changes', { body: { operations }, headers })

describe('a change larger than the bus carries', () => {
  it('is refused before it is in the log; a smaller one still passes', async () => {
    const ids = ['b1', 'b2', 'b3', 'b4', 'b5', 'b6']
    for (const id of ids) {
      // Their own each: gzip makes nothing of what stands there twice.
      const models = Array.from({ length: 5_000 }, () => randomUUID())
      expect((await at.add(id, { models })).status).toBe(201)
    }
    const whole = await change(ids.map(patchOf))
    expect([whole.status, whole.json.code]).toEqual([413, 'admin_body_too_large'])
    const part = await change([patchOf('b1')])
    expect([part.status, part.json.revision]).toEqual([200, 7])
  })
})

describe('an If-Match', () => {
  it('is held to, or refused where it would be ignored', async () => {
    await at.add('b1')
    const headers = { 'if-match': '"9"' }
    const changed = await change([patchOf('b1')], headers)
    expect([changed.status, changed.json.code]).toEqual([412, 'precondition_failed'])
    expect((await at.add('b2', {}, { headers })).status).toBe(400)
    expect((await at.store.head()).revision).toBe(1)
  })
})

describe('a credential', () => {
  it('that was sealed elsewhere is refused', async () => {
    const answer = await at.add('b1', { credential: { sealed: 'AAAA', fingerprint: 'f' } })
    expect(answer.json.errors).toMatchObject([{ path: 'spec.credential.sealed' }])
  })

  it.each([1, 2])('with a wrong apiKey, as the last of %i operations, names it', async (count) => {
    const operations = Array.from({ length: count }, (_, index) => ({
      ...{ op: 'create', resource: 'backend', id: `b${index}` },
      spec: index === count - 1 ? { ...SPEC, apiKey: 5 } : SPEC,
    }))
    const answer = await change(operations)
    expect(answer.json.errors).toMatchObject([{ path: `operations.${count - 1}.spec.apiKey` }])
  })

  it('cannot be guessed from the digest that stands for its request', async () => {
    const asked = jest.spyOn(at.store, 'write')
    await at.add('b1', { apiKey: 'weak' }, { headers: { 'idempotency-key': 'k' } })
    const hashes = asked.mock.calls.map(([{ idempotency }]) => idempotency?.requestHash)
    const body = JSON.stringify({ id: 'b1', spec: { ...SPEC, apiKey: 'weak' } })
    const guess = createHash('sha256').update(`POST\n/admin/v1/backends\n\n\n${body}`).digest('hex')
    expect(hashes).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)])
    expect(hashes).not.toContain(guess)
  })
})

describe('a filter', () => {
  it('by label finds own labels only', async () => {
    await at.add('b1', { labels: { zone: 'a' } })
    const found = async (label: string): Promise<number> =>
      (await at.call('GET', `backends?label=${label}`)).json.items.length
    expect(await found('zone')).toBe(1)
    expect(await found('zone=')).toBe(0)
    expect(await found('constructor')).toBe(0)
  })
})

describe('an answer', () => {
  it('is measured, and the type of a problem leads to a page', async () => {
    await at.add('b1')
    expect((await at.call('GET', '/metrics')).text).toMatch('http_request_duration_seconds_bucket')
    const { type } = (await at.call('GET', 'nope')).json
    const page = await at.call('GET', type.split('#')[0], { token: '' })
    expect([page.status, page.text.includes('id="not_found"')]).toEqual([200, true])
  })
})
