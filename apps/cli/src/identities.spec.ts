import { DOCUMENT, type Fixture, startFixture, TOKENS } from './cli-harness.ts'

let at: Fixture
beforeEach(async () => {
  at = await startFixture()
})
afterEach(() => at.end())

describe('keys', () => {
  it('are made: the token alone on stdout, once', async () => {
    const made = await at.run([
      'keys',
      'create',
      'k1',
      '--owner',
      'team',
      '--route',
      'a',
      '--route',
      'b',
    ])
    expect(made.code).toBe(0)
    expect(made.out).toMatch(/^sbx-[A-Za-z0-9_-]{43}\n$/)
    expect(made.err).toMatch(/key k1 is made. Its token is shown this once/)
    const read = await at.run(['get', 'key', 'k1', '--json'])
    expect(read.json.spec).toMatchObject({ owner: 'team', routes: ['a', 'b'], enabled: true })
    expect((await at.run(['get', 'keys'])).out).toMatch(
      /^ID +NAME +OWNER +ROUTES +ENABLED +EXPIRES/,
    )
  })

  it('are rotated and revoked', async () => {
    const { out } = await at.run(['keys', 'create', 'k1'])
    const rotated = await at.run(['keys', 'rotate', 'k1', '--overlap', '1h'])
    expect(rotated.out).toMatch(/^sbx-/)
    expect(rotated.out).not.toBe(out)
    expect(rotated.err).toMatch(/is rotated; the former token is good until \d{4}-/)
    expect((await at.run(['keys', 'revoke', 'k1', '--reason', 'lost'])).out).toBe(
      'key k1 is revoked\n',
    )
    const { json } = await at.run(['get', 'key', 'k1', '--json'])
    expect(json.spec.enabled).toBe(false)
    expect(json.spec.previous).toBeUndefined()
    expect((await at.run(['log', '--limit', '1'])).out).toMatch(/lost/)
  })

  it('are made with limits', async () => {
    const flags = ['--rpm', '60', '--tpm', '100000', '--concurrency', '8', '--budget', '2.5/day']
    expect((await at.run(['keys', 'create', 'k1', ...flags])).code).toBe(0)
    const { json } = await at.run(['get', 'key', 'k1', '--json'])
    expect(json.spec.budget).toEqual({ usd: 2.5, period: 'day', action: 'block' })
    expect(json.spec.limits).toEqual({ rpm: 60, tpm: 100_000, concurrency: 8 })
  })

  it('are not made by a dry run', async () => {
    const dry = await at.run(['keys', 'create', 'k1', '--dry-run'])
    expect([dry.code, dry.out]).toEqual([0, 'key k1 would be made\n'])
    expect((await at.run(['get', 'key', 'k1'])).code).toBe(3)
  })

  it.each([
    [['keys', 'create'], 2],
    [['keys', 'create', 'no id'], 3],
    [['keys', 'create', 'k', '--expires', 'soon'], 3],
    [['keys', 'create', 'k', '--rpm', 'many'], 2],
    [['keys', 'create', 'k', '--budget', 'much'], 2],
    [['keys', 'create', 'k', '--budget', '5/year'], 3],
    [['keys', 'create', 'k', '--rpm', '0'], 3],
    [['keys', 'rotate', 'none'], 3],
    [['keys', 'revoke', 'none'], 3],
  ])('are refused: %j', async (args, code) => {
    const done = await at.run(args)
    expect([done.code, done.out]).toEqual([code, ''])
  })
})

describe('principals', () => {
  it('are made with a role, and by an admin alone', async () => {
    const made = await at.run(['principals', 'create', 'ci', '--role', 'operator', '--json'])
    expect(made.json).toMatchObject({ id: 'ci', spec: { role: 'operator' } })
    expect(made.json.token).toMatch(/^sba-/)
    expect((await at.run(['principals', 'create', 'x'])).code).toBe(2)
    const env = { SIGNALBOX_TOKEN: TOKENS.operator }
    expect((await at.run(['principals', 'create', 'x', '--role', 'admin'], { env })).code).toBe(3)
  })
})

describe('explain', () => {
  it('tells who would take a request and why, and fails where nobody would', async () => {
    at.write('all.yaml', DOCUMENT)
    await at.run(['apply', '-f', 'all.yaml'])
    const found = await at.run(['explain', 'gpt-4.1'])
    expect(found.code).toBe(0)
    expect(found.out).toMatch(/^gpt-4.1 at revision 1 goes to b1\nby route gpt-4.1 \(route\)/)
    expect(found.out).toMatch(/TIER +BACKEND +MODEL +WEIGHT +SHARE +WHY\n0 +b1 .* picked\n/)
    const down = await at.run(['explain', 'gpt-4.1', '--down', 'b1', '--down', 'b2', '--json'])
    expect([down.code, down.json.outcome]).toEqual([1, 'no_backend'])
    expect((await at.run(['explain', 'gpt-4.1', '--as-of', '0'])).out).toMatch(/model_not_found/)
  })

  it('takes who asks, with what headers and at which path', async () => {
    at.write('all.yaml', DOCUMENT)
    await at.run(['apply', '-f', 'all.yaml'])
    await at.run(['keys', 'create', 'other', '--route', 'else'])
    const other = await at.run(['explain', 'gpt-4.1', '--key', 'other'])
    expect([other.code, other.out]).toEqual([1, expect.stringMatching(/ends with key_not_allowed/)])
    const headers = ['-H', 'x-session-id: one', '--header', 'x-b:two', '--user', 'u']
    const path = await at.run(['explain', 'gpt-4.1', '--path', '/v1/messages', ...headers])
    expect(path.out).toMatch(/ WHY +SERVES\n0 +b1 .* picked +translated\n/)
    const gemini = ['explain', '--path', '/v1beta/models/gpt-4.1:generateContent']
    expect((await at.run(gemini)).out).toMatch(/^gpt-4.1 at revision \d+ goes to b1\n/)
    for (const wrong of [
      ['-H', 'no header'],
      ['--request', 'r', '--key', 'x'],
    ]) {
      expect((await at.run(['explain', 'gpt-4.1', ...wrong])).code).toBe(2)
    }
  })
})
