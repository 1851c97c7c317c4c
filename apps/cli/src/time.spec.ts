import { DOCUMENT, type Fixture, startFixture } from './cli-harness.ts'
import { sinceOf } from './time.ts'

let at: Fixture
beforeEach(async () => {
  at = await startFixture()
  at.write('all.yaml', DOCUMENT)
  await at.run(['apply', '-f', 'all.yaml', '--reason', 'one'])
  at.write(
    'more.yaml',
    DOCUMENT.replace('url: http://127.0.0.1:8001', 'url: http://127.0.0.1:9001'),
  )
  await at.run(['apply', '-f', 'more.yaml', '--reason', 'two\x1b[31m'])
})
afterEach(() => at.end())

const urlOf = async (id: string) => (await at.run(['get', 'backend', id, '--json'])).json.spec.url

describe('log', () => {
  it('lists the newest first, without what a terminal would obey', async () => {
    const { out, code } = await at.run(['log'])
    expect(code).toBe(0)
    const [head, two, one, ...rest] = out.split('\n')
    expect(head).toMatch(/^REVISION +AT +ACTOR +SOURCE +CHANGES +REASON$/)
    expect(two).toMatch(/^2 .* admin +cli +~backend\/b2 +two\?\[31m$/)
    expect(one).toMatch(/^1 .* \+backend\/b1 \+backend\/b2 \+route\/gpt-4\.1 and 1 more +one$/)
    expect(rest).toEqual([''])
  })

  it('finds by actor, kind, id, time and count', async () => {
    const found = async (...args: string[]) =>
      (await at.run(['log', '--json', ...args])).json.items.map(
        (one: { revision: number }) => one.revision,
      )
    expect(await found('--limit', '1')).toEqual([2])
    expect(await found('--resource', 'policies')).toEqual([1])
    expect(await found('--resource', 'backend', '--id', 'b2')).toEqual([2, 1])
    expect(await found('--actor', 'nobody')).toEqual([])
    expect(await found('--since', '1h')).toEqual([2, 1])
    expect(await found('--since', '2999-01-01T00:00:00Z')).toEqual([])
  })

  it('goes over as many pages as it takes', async () => {
    for (let i = 0; i < 3; i++) {
      await at.run(['apply', '-f', 'all.yaml'])
      await at.run(['apply', '-f', 'more.yaml'])
    }
    const { json } = await at.run(['log', '--json', '--limit', '7'])
    expect(json.items).toHaveLength(7)
  })

  it('refuses a limit and a time that are none', async () => {
    for (const args of [
      ['--limit', '0'],
      ['--limit', 'all'],
      ['--since', 'monday'],
      ['--since', '5'],
    ]) {
      expect((await at.run(['log', ...args])).code).toBe(2)
    }
  })
})

it('--since takes a time, or how long ago', () => {
  const nowMs = Date.parse('2026-01-10T00:00:00Z')
  expect(sinceOf('90m', nowMs)).toBe('2026-01-09T22:30:00.000Z')
  expect(sinceOf('7d', nowMs)).toBe('2026-01-03T00:00:00.000Z')
  expect(sinceOf('2026-01-01T00:00:00Z', nowMs)).toBe('2026-01-01T00:00:00Z')
})

describe('show', () => {
  it('tells who, when, why and what', async () => {
    const { out } = await at.run(['show', '2'])
    expect(out).toMatch(
      /^revision 2\nat {8}\d.*\nactor {5}admin \(admin, by cli, from .*\nreason {4}two\?/,
    )
    expect(out).toContain(
      '~ backend b2\n    ~ url: "http://127.0.0.1:8001" -> "http://127.0.0.1:9001"\n',
    )
    expect((await at.run(['show', '1', '--json'])).json).toMatchObject({
      revision: 1,
      reason: 'one',
    })
  })

  it('refuses a revision that there is not', async () => {
    expect((await at.run(['show', '9'])).code).toBe(3)
    expect((await at.run(['show', 'head'])).code).toBe(2)
  })
})

describe('rollback', () => {
  it('brings back what was, as a revision of its own', async () => {
    const { out, code } = await at.run(['rollback', '1', '--reason', 'no good'])
    expect([code, out.endsWith('revision 3: 1 change\n')]).toEqual([0, true])
    expect(await urlOf('b2')).toBe('http://127.0.0.1:8001')
    const shown = await at.run(['show', '3', '--json'])
    expect(shown.json).toMatchObject({
      source: 'rollback',
      reason: 'no good',
      undoes: { after: 1 },
    })
  })

  it('brings back the named resources alone, and nothing in a dry run', async () => {
    const only = ['rollback', '0', '--only', 'route/gpt-4.1', 'policy/fast']
    expect((await at.run([...only, '--dry-run'])).out).toMatch(
      /- route gpt-4\.1\n[\s\S]*dry run: 2/,
    )
    expect((await at.store.head()).revision).toBe(2)
    await at.run(only)
    expect((await at.run(['get', 'routes', '--json'])).json.items).toEqual([])
    expect(await urlOf('b2')).toBe('http://127.0.0.1:9001')
  })

  it('refuses what names no revision and no resource', async () => {
    expect((await at.run(['rollback', 'yesterday'])).code).toBe(2)
    expect((await at.run(['rollback', '1', '--only', 'b2'])).code).toBe(2)
    expect((await at.run(['rollback', '9'])).code).toBe(3)
  })
})

describe('delete', () => {
  it('deletes, and says at which revision', async () => {
    const dry = await at.run(['delete', 'route', 'gpt-4.1', '--dry-run'])
    expect(dry.out).toBe('- route gpt-4.1\ndry run: 1 change to revision 2, nothing written\n')
    const { out } = await at.run(['delete', 'route', 'gpt-4.1'])
    expect(out).toBe('- route gpt-4.1\nrevision 3: 1 change\n')
    expect((await at.run(['get', 'route', 'gpt-4.1'])).code).toBe(3)
  })

  it('refuses what others refer to, and what there is not', async () => {
    const { code, err } = await at.run(['delete', 'policy', 'fast'])
    expect([code, err.startsWith('signalbox: still_referenced: ')]).toEqual([3, true])
    expect((await at.run(['delete', 'backend', 'b9'])).code).toBe(3)
    expect((await at.run(['delete', 'backend'])).code).toBe(2)
  })
})

describe('import', () => {
  const FOREIGN = `server: {bind_address: "0.0.0.0:80"}
backends:
  - {name: one, url: "http://127.0.0.1:9000", models: [m9]}
`

  it('prints the document, and what has no place in it on stderr', async () => {
    at.write('continuum.yaml', FOREIGN)
    const { out, err, code } = await at.run(['import', 'continuum', 'continuum.yaml'])
    expect(code).toBe(0)
    expect(out).toMatch(/^backends:\n {2}one:\n/)
    expect(err).toMatch(/^unmapped: server\.bind_address: .*SIGNALBOX_PROXY_LISTEN/)
    at.write('out.yaml', out)
    expect((await at.run(['apply', '-f', 'out.yaml'])).code).toBe(0)
  })

  it('says all of it as JSON, too', async () => {
    at.write('continuum.yaml', FOREIGN)
    const { json, err } = await at.run(['import', 'continuum', 'continuum.yaml', '--json'])
    expect(json).toMatchObject({
      config: { backends: { one: {} } },
      unmapped: [{ path: 'server.bind_address' }],
    })
    expect(err).toBe('')
  })

  it('applies it as a set', async () => {
    at.write(
      'l.toml',
      '[[model_list]]\nmodel_name = "x"\nlitellm_params = {model = "openai/gpt-4o", api_key = "sk-canary"}\n',
    )
    const done = await at.run(['import', 'litellm', 'l.toml', '--apply', '--set', 'old'])
    expect(done.code).toBe(0)
    expect(done.out).toMatch(/\+ route x\n/)
    expect(done.out + done.err).not.toContain('canary')
    expect((await at.run(['get', 'set', 'old', '--json'])).json.spec.members).toContain('route/x')
    const shown = await at.run(['show', '3', '--json'])
    expect(shown.json).toMatchObject({
      source: 'import',
      reason: 'signalbox import litellm l.toml',
    })
  })

  it('refuses with file and line, and imports nothing', async () => {
    at.write(
      'bad.yaml',
      'backends:\n  - name: one\n    url: http://127.0.0.1:1\n    weight: three\n',
    )
    const { code, err, out } = await at.run(['import', 'continuum', 'bad.yaml', '--apply'])
    expect([code, out]).toEqual([1, ''])
    expect(err).toMatch(
      /^signalbox: invalid_input: bad\.yaml is not imported.*\nbad\.yaml:4:5: backends\.0\.weight: expected/,
    )
    expect((await at.store.head()).revision).toBe(2)
    expect((await at.run(['import', 'nginx', 'bad.yaml'])).code).toBe(2)
  })
})
