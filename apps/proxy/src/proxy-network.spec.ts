// Which addresses a proxy connects to, whatever the log says; and that it follows nobody elsewhere.
import { startMockBackend } from '@signalbox/testing'
import { apply, backend, base, chat, codeOf, hello, raw, useProxy } from './proxy-harness.ts'

useProxy()

const byName = () => `http://localhost:${backend.port}`
const allow = (...zones: string[]) => apply('settings', 'default', { network: { allow: zones } })

describe('a backend whose address is not allowed', () => {
  it.each([
    ['its address is written out', () => backend.url],
    ['its name leads there', byName],
    ['it speaks TLS', () => byName().replace('http:', 'https:')],
  ])('is not connected to where %s', async (_, url) => {
    await apply('backend', 'b1', { kind: 'vllm', url: url(), models: ['m1'], http2: 'never' })
    await allow('public', 'private')
    const { total } = backend.connections
    const answer = await chat(hello)
    expect([answer.status, await codeOf(answer)]).toEqual([502, 'upstream_address_refused'])
    expect(backend.connections.total).toBe(total)
  })

  it('is not connected to by a WebSocket either', async () => {
    const ask = () =>
      raw(
        'GET /v1/realtime?model=m1 HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\n' +
          'upgrade: websocket\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n' +
          'sec-websocket-version: 13\r\n\r\n',
      )
    for (const url of [backend.url, byName()]) {
      await apply('backend', 'b1', { kind: 'openai', url, models: ['m1'] })
      await allow('public')
      const { total } = backend.connections
      expect(await ask()).toContain('upstream_address_refused')
      expect(backend.connections.total).toBe(total)
      await allow('public', 'loopback')
    }
  })

  it('is one that another backend stands in for', async () => {
    const spec = { kind: 'vllm', models: ['m1'] }
    await apply('backend', 'b0', { ...spec, url: 'http://169.254.169.254' })
    for (let n = 0; n < 4; n++) {
      const answer = await chat(hello)
      expect([answer.status, answer.headers.get('x-signalbox-backend')]).toEqual([200, 'b1'])
    }
  })

  it('is connected to as soon as the settings let it, and no longer when they do not', async () => {
    await apply('backend', 'b1', { kind: 'vllm', url: byName(), models: ['m1'] })
    expect((await chat(hello)).status).toBe(200)
    await allow('private')
    expect((await chat(hello)).status).toBe(502)
    await allow('private', '127.0.0.1', '::1')
    expect((await chat(hello)).status).toBe(200)
  })
})

describe('a redirect', () => {
  it.each([301, 302, 303, 307, 308])(
    'of %i is not followed, and its target not shown',
    async (n) => {
      const elsewhere = await startMockBackend({ models: ['m1'] })
      const location = `${elsewhere.url}/v1/chat/completions`
      backend.failWith(n, { headers: { location } })
      const answer = await fetch(`${base}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(hello),
        redirect: 'manual',
      })
      expect([answer.status, answer.headers.get('location')]).toEqual([n, null])
      expect([elsewhere.connections.total, backend.requests.length]).toEqual([0, 1])
      await elsewhere.stop()
    },
  )
})
