import { apply, backend, chat, hello, proxy, useProxy } from './proxy-harness.ts'
import { recordNamed, storing } from './usage-harness.ts'

useProxy()

describe('a request', () => {
  it('is recorded once, with how it was decided, and nothing of what it said', async () => {
    const all = storing()
    const secret = { 'x-request-id': 'r-1', authorization: 'Bearer canary-header' }
    const messages = [{ role: 'user', content: 'canary-prompt' }]
    const answer = await chat({ ...hello, messages }, secret)
    const text = await answer.text()
    const one = await recordNamed(all, 'r-1')
    expect(one).toMatchObject({
      ...{ proxy: 'p1', revision: 1, operation: 'chat.completions', key: null, model: 'm1' },
      ...{ route: 'm1', status: 200, code: null, bytes: Buffer.byteLength(text) },
    })
    expect(one.attempts).toEqual([
      {
        ...{ backend: 'b1', outcome: 'answered', ms: expect.any(Number) },
        inputs: { v: 1, strategy: 'RoundRobin', tier: 0, of: expect.any(Number) },
      },
    ])
    expect(one.tokens.prompt).toBe(1)
    expect(JSON.stringify(one)).not.toMatch(/canary/)
    await proxy.stop()
    expect(all).toHaveLength(1)
  })

  it('that went to a second backend is recorded with both attempts', async () => {
    const all = storing()
    await apply('backend', 'b0', {
      ...{ kind: 'openai-compatible', url: 'http://127.0.0.1:1', models: ['m1'] },
    })
    const answer = await chat(hello, { 'x-request-id': 'r-2' })
    expect([answer.status, answer.headers.get('x-signalbox-backend')]).toEqual([200, 'b1'])
    await answer.text()
    const { attempts } = await recordNamed(all, 'r-2')
    expect(attempts.map(({ backend: id, outcome }) => [id, outcome])).toEqual([
      ['b0', 'upstream_connect_failed'],
      ['b1', 'answered'],
    ])
  })

  it('that a fallback route took is recorded with whose attempt each was', async () => {
    const all = storing()
    await apply('backend', 'b0', { kind: 'vllm', url: 'http://127.0.0.1:1', models: [] })
    const to = (id: string) => [{ targets: [{ backend: id, model: 'm1' }] }]
    await apply('route', 'spare', { tiers: to('b1') })
    await apply('route', 'main', { tiers: to('b0'), fallbacks: ['spare'] })
    await (await chat({ ...hello, model: 'main' }, { 'x-request-id': 'r-f' })).text()
    const { route, attempts } = await recordNamed(all, 'r-f')
    expect([route, ...attempts.map((one) => [one.route, one.backend, one.outcome])]).toEqual([
      'main',
      [undefined, 'b0', 'upstream_connect_failed'],
      [undefined, null, 'no_backend'],
      ['spare', 'b1', 'answered'],
    ])
  })

  it('that was refused is recorded with why', async () => {
    const all = storing()
    await chat({ ...hello, model: 'nobody-has-it' }, { 'x-request-id': 'r-3' })
    const unknown = await recordNamed(all, 'r-3')
    expect(unknown).toMatchObject({ status: 404, code: 'model_not_found', route: null })
    expect([unknown.model, unknown.attempts]).toEqual(['nobody-has-it', []])

    await apply('backend', 'b1', {
      ...{ kind: 'openai-compatible', url: backend.url, models: ['m1'], weight: 0 },
    })
    await chat(hello, { 'x-request-id': 'r-4' })
    const nowhere = await recordNamed(all, 'r-4')
    expect(nowhere).toMatchObject({ status: 503, code: 'no_backend', revision: 2 })
    expect(nowhere.attempts).toMatchObject([{ backend: null, outcome: 'no_backend' }])
  })

  it('is served and recorded later where nobody stores records', async () => {
    const answer = await chat(hello, { 'x-request-id': 'r-5' })
    expect(answer.status).toBe(200)
    await answer.text()
    const all = storing()
    await recordNamed(all, 'r-5')
  })
})
