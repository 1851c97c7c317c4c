import { upstreamOrigin, upstreamPath } from './upstream-path.ts'

const CHAT = '/v1/chat/completions'

describe('upstreamPath', () => {
  it.each([
    ['http://h:1', CHAT, CHAT],
    ['http://h:1/', CHAT, CHAT],
    ['http://h/some/proxy', CHAT, `/some/proxy${CHAT}`],
    ['http://h/some/proxy//', CHAT, `/some/proxy${CHAT}`],
    ['http://h/vendor', CHAT, `/vendor${CHAT}`],
    ['http://h/v', CHAT, `/v${CHAT}`],
    ['http://h:1', '/v1/models', '/v1/models'],
  ])('appends to %s what a client writes: %s', (base, path, expected) => {
    expect(upstreamPath(base, path)).toBe(expected)
  })

  it.each([
    ['http://h/v1', '/v1/chat/completions'],
    ['http://h/v1/', '/v1/chat/completions'],
    ['https://api.groq.com/openai/v1', '/openai/v1/chat/completions'],
    ['https://h/v1beta/openai', '/v1beta/openai/chat/completions'],
    ['https://h/api/paas/v4', '/api/paas/v4/chat/completions'],
    ['https://h/client/v4/accounts/7/ai/v1', '/client/v4/accounts/7/ai/v1/chat/completions'],
    ['https://h/v1.1', '/v1.1/chat/completions'],
    ['https://h/v1p1beta1', '/v1p1beta1/chat/completions'],
  ])('lets %s name the version', (base, expected) => {
    expect(upstreamPath(base, CHAT)).toBe(expected)
  })

  it.each([
    ['http://h', '/health'],
    ['http://h/', '/health'],
    ['http://h/v1', '/health'],
    ['http://h/v1/', '/health'],
    ['http://h/v1beta/openai', '/health'],
    ['http://h/some/proxy', '/some/proxy/health'],
    ['http://h/some/proxy/v1', '/some/proxy/health'],
  ])('asks the server and not its API at %s for /health', (base, expected) => {
    expect(upstreamPath(base, '/health')).toBe(expected)
  })

  it('takes only a whole first segment for the version of a path', () => {
    expect(upstreamPath('http://h/v1', '/v1health')).toBe('/v1health')
    expect(upstreamPath('http://h/v1', '/v1')).toBe('/v1')
  })
})

describe('upstreamOrigin', () => {
  it.each([
    ['http://h:1/v1', 'http://h:1'],
    ['HTTPS://Api.Example.com:443/v1/', 'https://api.example.com'],
    ['http://[::1]:8000', 'http://[::1]:8000'],
  ])('of %s is what a pool connects to', (base, expected) => {
    expect(upstreamOrigin(base)).toBe(expected)
  })
})
