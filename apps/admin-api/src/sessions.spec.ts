import { eventually, manualClock } from '@signalbox/testing'
import { type Api, MASTER_KEY, startApi, TOKENS } from './api-harness.ts'
import { SESSION_MS, Sessions } from './sessions.ts'

const FROM_CONSOLE = { 'x-signalbox-source': 'console' }
let api: Api
beforeAll(async () => {
  api = await startApi()
})
afterAll(() => api.end())

async function signIn(token: string): Promise<string> {
  const { status, headers } = await api.call('POST', 'session', { token })
  expect(status).toBe(200)
  return (headers.get('set-cookie') ?? '').split(';')[0] ?? ''
}

const as = (cookie: string, more: Record<string, string> = {}) => ({
  token: '',
  headers: { cookie, ...more },
})

describe('a session of the console', () => {
  it('begins with a token, in a cookie that no script and no other site can use', async () => {
    const { headers, json } = await api.call('POST', 'session', { token: TOKENS.viewer })
    const cookie = headers.get('set-cookie') ?? ''
    expect(cookie).toMatch(/^signalbox-session=[\w-]+; Path=\/; Max-Age=28800; HttpOnly; SameSite/)
    expect(cookie).toContain('SameSite=Strict')
    expect(cookie).not.toContain(TOKENS.viewer)
    expect(json).toMatchObject({ actor: 'viewer', role: 'viewer' })
    expect(await api.call('GET', 'fleet', as(cookie.split(';')[0] ?? ''))).toMatchObject({
      status: 200,
    })
  })

  it('is marked for TLS alone where the browser came by it', async () => {
    const headers = { 'x-forwarded-proto': 'https' }
    const answer = await api.call('POST', 'session', { token: TOKENS.viewer, headers })
    expect(answer.headers.get('set-cookie')).toMatch(/; Secure$/)
  })

  it('may do what its token may, and is recorded as the console', async () => {
    const body = { id: 'a', spec: { kind: 'vllm', url: 'http://127.0.0.1:9', models: ['m'] } }
    const viewer = await signIn(TOKENS.viewer)
    const refusal = await api.call('POST', 'backends', { body, ...as(viewer, FROM_CONSOLE) })
    expect([refusal.status, refusal.json.code]).toEqual([403, 'forbidden'])
    const operator = await signIn(TOKENS.operator)
    const made = await api.call('POST', 'backends', { body, ...as(operator, FROM_CONSOLE) })
    expect(made.status).toBe(201)
    const { json } = await api.call('GET', `revisions/${made.json.revision}`)
    expect(json).toMatchObject({ actor: 'operator', source: 'console' })
  })

  it('writes nothing for another page, whatever the browser sends along', async () => {
    const cookie = await signIn(TOKENS.admin)
    for (const headers of [{}, { ...FROM_CONSOLE, 'sec-fetch-site': 'same-site' }]) {
      const answer = await api.call('DELETE', 'backends/nobody', as(cookie, headers))
      expect([answer.status, answer.json.code]).toEqual([403, 'forbidden'])
    }
    const own = { ...FROM_CONSOLE, 'sec-fetch-site': 'same-origin' }
    expect((await api.call('DELETE', 'backends/nobody', as(cookie, own))).status).toBe(404)
  })

  it('ends with its principal', async () => {
    const spec = { role: 'operator' }
    const made = await api.call('POST', 'principals', { body: { id: 'ann', spec } })
    // Principals are read again when the log has grown: a moment after the answer.
    const { token } = made.json
    await eventually(async () => (await api.call('GET', 'session', { token })).status === 200)
    const cookie = await signIn(token)
    expect((await api.call('GET', 'session', as(cookie))).json.actor).toBe('ann')
    await api.call('DELETE', 'principals/ann')
    await eventually(async () => {
      return (await api.call('GET', 'session', as(cookie))).status === 401
    })
  })

  it('does not prolong itself, and sign-out takes the cookie back', async () => {
    const cookie = await signIn(TOKENS.admin)
    const again = await api.call('POST', 'session', as(cookie, FROM_CONSOLE))
    expect(again.status).toBe(401)
    const ended = await api.call('DELETE', 'session', as(cookie, FROM_CONSOLE))
    expect(ended.status).toBe(204)
    expect(ended.headers.get('set-cookie')).toMatch(/^signalbox-session=; Path=\/; Max-Age=0;/)
  })

  it('is known to each instance on the same master key, and to no other', async () => {
    const cookie = await signIn(TOKENS.viewer)
    const same = await api.again({ masterKey: MASTER_KEY })
    const other = await api.again({ masterKey: new Uint8Array(32) })
    expect((await same.call('GET', 'session', as(cookie))).status).toBe(200)
    expect((await other.call('GET', 'session', as(cookie))).status).toBe(401)
  })

  it.each(['', 'x', `${'A'.repeat(64)}`, '%00'])('is not made of %j', async (value) => {
    const answer = await api.call('GET', 'session', as(`signalbox-session=${value}`))
    expect(answer.status).toBe(401)
  })
})

it('a session ends in time', () => {
  const clock = manualClock()
  const sessions = new Sessions({ keys: { masterKey: MASTER_KEY }, fleet: 'default', clock })
  const digest = new Uint8Array(32).fill(7)
  const cookie = `other=1; signalbox-session=${sessions.begin(digest).value}`
  clock.advance(SESSION_MS - 1)
  expect(sessions.find(cookie)?.digest).toEqual(Buffer.from(digest))
  clock.advance(1)
  expect(sessions.find(cookie)).toBeUndefined()
})
