// One look at one backend: what passes, what fails, and what is said about it.
import { type Checked, createChecker } from './check.ts'
import {
  another,
  backend,
  masterKey,
  ownOf,
  otherKey,
  resourceOf,
  sealedFor,
  useProbe,
} from './probe-harness.ts'

useProbe()

async function check(input: object = {}): Promise<Checked> {
  const resource = resourceOf({ kind: 'vllm', url: backend.url, models: ['m1'], ...input })
  let nowMs = 0
  const monotonicMs = () => (nowMs += 7)
  const checker = createChecker({ ...ownOf(resource), masterKey, fleet: 'default', monotonicMs })
  const checked = await checker.check()
  await checker.close()
  return checked
}

const paths = () => backend.requests.map(({ method, path }) => `${method} ${path}`)
const pass = { result: 'pass', error: null }
const fails = (error: string) => ({ result: 'fail', error, models: null })

describe('a look', () => {
  it('costs one request that makes no tokens, and says how long it took', async () => {
    expect(await check()).toEqual({ ...pass, latencyMs: 7, models: null })
    expect(paths()).toEqual(['GET /health'])
    expect(backend.requests[0]?.body).toHaveLength(0)
  })

  it.each([
    ['openai-compatible', '', '/v1/models'],
    ['vllm', '/v1', '/health'],
    ['ollama', '/some/proxy', '/some/proxy/v1/models'],
  ])('at a %s at http://host%s asks for %s', async (kind, below, path) => {
    await check({ kind, url: backend.url + below })
    expect(paths()).toEqual([`GET ${path}`])
  })

  it('asks for the path that the operator named', async () => {
    await check({ health: { path: '/ping?deep=1' } })
    expect(paths()).toEqual(['GET /ping?deep=1'])
  })

  it('leaves no connection behind once it is closed', async () => {
    await check()
    const resource = resourceOf({ kind: 'vllm', url: backend.url })
    const options = { ...ownOf(resource), masterKey, fleet: 'default', monotonicMs: () => 0 }
    const checker = createChecker(options)
    backend.hang()
    const cut = checker.check()
    await backend.requested(2)
    await checker.close()
    expect(await cut).toMatchObject({ result: 'fail' })
    expect((await checker.check()).result).toBe('fail')
    expect(backend.requests).toHaveLength(2)
  })
})

describe('an answer', () => {
  it.each([200, 204, 299])('of %i passes', async (status) => {
    backend.failWith(status, { body: '' })
    expect(await check()).toMatchObject(pass)
  })

  it.each([404, 405, 429])('of %i passes: the backend is alive', async (status) => {
    backend.failWith(status)
    expect(await check()).toMatchObject(pass)
  })

  it.each([404, 405])('of %i fails on a path that the operator named', async (status) => {
    backend.failWith(status)
    expect(await check({ health: { path: '/ping' } })).toMatchObject(fails(`answered ${status}`))
  })

  it('of 503 is a backend that warms up', async () => {
    backend.warmUp()
    const warming = { result: 'warming-up', error: 'answered 503', models: null }
    expect(await check()).toMatchObject(warming)
  })

  it.each([401, 403])('of %i fails: no request could succeed', async (status) => {
    backend.failWith(status)
    const error = `credential refused (answered ${status})`
    expect(await check()).toMatchObject(fails(error))
  })

  it.each([400, 418, 500, 502, 504])('of %i fails', async (status) => {
    backend.failWith(status)
    expect(await check()).toMatchObject(fails(`answered ${status}`))
  })

  it.each([301, 302, 307, 308])('of %i fails, and nobody follows it', async (status) => {
    const elsewhere = await another()
    backend.failWith(status, { headers: { location: `${elsewhere.url}/health` } })
    expect(await check()).toMatchObject(fails(`answered ${status}`))
    expect(elsewhere.requests).toEqual([])
  })

  it('is never quoted: its body may hold anything', async () => {
    backend.failWith(500, { body: 'sk-secret in a stack trace' })
    expect(JSON.stringify(await check())).not.toContain('sk-secret')
  })

  it('that is larger than any list of models fails', async () => {
    backend.failWith(200, { body: 'x'.repeat(4_194_305) })
    expect(await check()).toMatchObject(fails('answer is too large'))
    backend.failWith(200, { body: 'x'.repeat(4_194_304) })
    expect(await check()).toMatchObject(pass)
  })

  it('that never ends is left once it is too large', async () => {
    const part = Buffer.alloc(1_048_576)
    backend.answerWith((_request, response) => {
      const more = () => {
        while (!response.destroyed && response.write(part));
      }
      response.on('drain', more)
      more()
    })
    expect(await check({ health: { timeoutMs: '1h' } })).toMatchObject(fails('answer is too large'))
    await backend.disconnected(1)
  })
})

describe('no answer', () => {
  it('in the time that the operator gave fails and says so', async () => {
    backend.hang()
    const checked = await check({ health: { timeoutMs: 30 } })
    expect(checked).toMatchObject(fails('no answer in 30 ms'))
    await backend.disconnected(1)
  })

  it('in whole fails as none at all does', async () => {
    backend.answerWith((_request, response) => void response.writeHead(200).write('{'))
    const checked = await check({ health: { timeoutMs: 30 } })
    expect(checked).toMatchObject(fails('no answer in 30 ms'))
  })

  it('because the connection is refused says so', async () => {
    await backend.refuse()
    expect(await check()).toMatchObject(fails('connection refused'))
  })

  it('because the connection is reset says so', async () => {
    backend.reset()
    expect(await check()).toMatchObject(fails('connection reset'))
  })

  it('because the connection ends in the middle of it says so', async () => {
    backend.cutAfter(0)
    expect(await check()).toMatchObject(fails('connection closed'))
  })

  it('in HTTP fails', async () => {
    backend.answerWith((request) => void request.socket.end('SSH-2.0-OpenSSH_9.6\r\n'))
    expect(await check()).toMatchObject(fails('connection failed (HTTPParserError)'))
  })

  it('because there is no such host says so', async () => {
    const checked = await check({ url: 'http://no-such-host.invalid' })
    expect(checked).toMatchObject(fails('host name not found'))
  })
})

describe('a credential', () => {
  const sent = () => backend.requests.map(({ headers }) => headers.authorization)

  it('is opened and sent as the kind wants it', async () => {
    await check({ credential: sealedFor('b1', 'sk-1') })
    expect(sent()).toEqual(['Bearer sk-1'])
    await check({ kind: 'anthropic', credential: sealedFor('b1', 'sk-2') })
    expect(backend.requests[1]?.headers).toMatchObject({
      'x-api-key': 'sk-2',
      'anthropic-version': '2023-06-01',
    })
  })

  it('is not made up where there is none', async () => {
    await check()
    expect(sent()).toEqual([undefined])
  })

  it('that the backend refuses is a failure, and is not shown', async () => {
    backend.requireCredential('sk-other')
    const credential = sealedFor('b1', 'sk-1')
    const checked = await check({ kind: 'openai-compatible', credential })
    expect(checked).toMatchObject(fails('credential refused (answered 401)'))
    expect(JSON.stringify(checked)).not.toContain('sk-')
  })

  it.each([
    ['sealed with another key', () => sealedFor('b1', 'sk-1', otherKey)],
    ['of another backend', () => sealedFor('b2', 'sk-1')],
    ['that is damaged', () => ({ ...sealedFor('b1', 'sk-1'), sealed: 'AAAA' })],
  ])('%s does not open: no look at all, and nothing is sent without it', async (_, credential) => {
    const error = 'credential does not open with the master key of this probe'
    const unable = { result: 'unable', error, latencyMs: null, models: null }
    expect(await check({ credential: credential() })).toEqual(unable)
    expect(backend.connections.total).toBe(0)
  })

  it('that no header can carry is a failure and no crash', async () => {
    const checked = await check({ credential: sealedFor('b1', 'sk\r\nx-evil: 1') })
    expect(checked).toMatchObject({ result: 'fail' })
    expect(JSON.stringify(checked)).not.toContain('evil')
    expect(backend.requests).toEqual([])
  })
})
