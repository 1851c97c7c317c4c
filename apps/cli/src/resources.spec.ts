import { DOCUMENT, type Fixture, makeFolder, startFixture, TOKENS } from './cli-harness.ts'

let at: Fixture
beforeAll(async () => {
  at = await startFixture()
  at.write('all.yaml', DOCUMENT)
  const done = await at.run(['apply', '-f', 'all.yaml', '--reason', 'first — with a dash'])
  expect([done.code, done.err]).toEqual([0, ''])
})
afterAll(() => at.end())

describe('get', () => {
  it('lists a kind as a table, by its singular and its plural', async () => {
    const one = await at.run(['get', 'backend'])
    expect(one.out).toMatch(/^ID +KIND +URL +MODELS .*\nb1 +vllm +http:.*\nb2 .* zone=a +1 /)
    expect((await at.run(['get', 'backends'])).out).toBe(one.out)
    expect((await at.run(['get', 'route'])).out).toMatch(/gpt-4\.1 +- +b1,b2 +fast/)
    expect((await at.run(['get', 'policy', 'fast'])).out).toMatch(/fast +LeastLatency/)
  })

  it('answers JSON and YAML as the API does, and finds a label', async () => {
    const { json } = await at.run(['get', 'backends', '-l', 'zone=a', '--json'])
    expect(json).toMatchObject({ items: [{ id: 'b2', spec: { labels: { zone: 'a' } } }] })
    expect((await at.run(['get', 'backend', 'b1', '-o', 'yaml'])).out).toMatch(/^id: b1\nrev/)
    expect((await at.run(['get', 'backends', '-l', 'zone=b', '-o', 'json'])).json.items).toEqual([])
  })

  it('shows what was there at a revision', async () => {
    expect((await at.run(['get', 'backends', '--as-of', '0', '--json'])).json.items).toEqual([])
  })

  it('refuses a kind, an output and an id that there is not', async () => {
    expect(await at.run(['get', 'backdoor'])).toMatchObject({
      code: 2,
      err: 'signalbox: usage: there is no kind "backdoor". One of backend, route, policy, set, key, principal, settings, secret.\n',
    })
    expect((await at.run(['get', 'backend', '-o', 'xml'])).code).toBe(2)
    expect(await at.run(['get', 'backend', 'b9'])).toMatchObject({
      code: 3,
      err: expect.stringMatching(/^signalbox: not_found: there is no backend "b9"\. List/),
    })
  })
})

describe('describe', () => {
  it('tells health, who refers to it and its last changes', async () => {
    const { out, json } = await at.run(['describe', 'backend', 'b1'])
    expect(json).toBeNull()
    expect(out).toMatch(
      /^backend: b1\n[\s\S]*health: unknown[\s\S]*usedBy:\n {2}- route\/gpt-4.1\n/,
    )
    expect(out).toMatch(/REVISION .*\n1 .* admin +created +first — with a dash\n$/)
    const policy = await at.run(['describe', 'policy', 'fast', '--json'])
    expect(policy.json).toMatchObject({ id: 'fast', status: null, usedBy: ['route/gpt-4.1'] })
  })

  it('refuses what there is not', async () => {
    expect((await at.run(['describe', 'set', 'nothing'])).code).toBe(3)
  })
})

describe('export', () => {
  it('writes a document that changes nothing when it is applied', async () => {
    for (const format of ['yaml', 'json', 'toml']) {
      const { out, code } = await at.run(['export', '--format', format])
      expect(code).toBe(0)
      at.write(`again.${format}`, out)
      const diff = await at.run(['diff', '-f', `again.${format}`, '--prune', '--exit-code'])
      expect(diff).toMatchObject({ code: 0, out: '', err: 'no difference\n' })
    }
  })

  it('keeps a credential through export and apply, which it does not show', async () => {
    const keyed = makeFolder({ SIGNALBOX_URL: at.base, SIGNALBOX_TOKEN: TOKENS.admin })
    const spec = 'spec: {kind: vllm, url: "http://x", apiKey: sk-canary}'
    keyed.write('key.yaml', `resource: backend\nid: keyed\n${spec}\n`)
    expect((await keyed.run(['apply', '-f', 'key.yaml'])).code).toBe(0)
    const { out } = await keyed.run(['export'])
    expect(out).toMatch(/fingerprint: /)
    expect(out).not.toContain('canary')
    const again = await keyed.run(['apply', '-f', '-'], { stdin: out })
    expect(again).toMatchObject({ code: 0, out: expect.stringMatching(/^nothing to change/) })
    await keyed.run(['delete', 'backend', 'keyed'])
    keyed.remove()
  })

  it('goes back in time, and refuses a format that there is not', async () => {
    const { json } = await at.run(['export', '--as-of', '0', '--json'])
    expect(json).toEqual({ backends: {}, routes: {}, policies: {}, settings: {}, secrets: {} })
    expect((await at.run(['export', '--format', 'ini'])).code).toBe(2)
  })
})

describe('the connection', () => {
  it('is refused without a token and with a wrong one', async () => {
    const none = makeFolder({ SIGNALBOX_URL: at.base })
    expect(await none.run(['get', 'backends'])).toMatchObject({
      code: 3,
      err: expect.stringMatching(/^signalbox: unauthenticated: /),
    })
    expect((await none.run(['get', 'backends', '--token', TOKENS.viewer])).code).toBe(0)
    expect((await none.run(['get', 'sets', '--token', 'wrong'])).code).toBe(3)
    none.remove()
  })

  it('says as JSON what went wrong, too', async () => {
    const { err, out, code } = await at.run(['get', 'backend', 'b9', '--json'])
    expect([code, out]).toEqual([3, ''])
    expect(JSON.parse(err)).toMatchObject({ error: { code: 'not_found', exitCode: 3 } })
  })
})
