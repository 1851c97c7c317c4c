import { readEvents } from './server-events.ts'
import { DOCUMENT, type Fixture, makeFolder, startFixture, TOKENS } from './cli-harness.ts'

let at: Fixture
beforeEach(async () => {
  at = await startFixture()
  at.write('all.yaml', DOCUMENT)
  await at.run(['apply', '-f', 'all.yaml'])
})
afterEach(() => at.end())

const statusOf = (backend: string, health: 'ready' | 'down', more: object = {}) => ({
  ...{ backend, health, sinceMs: 1, checkedAtMs: Date.now(), latencyMs: 7, error: null },
  ...{ models: null, revision: 1, observer: 'probe', ...more },
})

/** Runs a watching command until it has said all of this, then interrupts it. */
async function watch(args: readonly string[], until: readonly RegExp[], options = {}) {
  const interrupt = new AbortController()
  const waiting = new Map(until.map((one) => [one, () => {}]))
  const seen = (pattern: RegExp) => new Promise<void>((resolve) => waiting.set(pattern, resolve))
  let text = ''
  const steps = until.map((one) => ({ pattern: one, said: seen(one) }))
  const heard = (out: string) => {
    text = out
    for (const [pattern, say] of waiting) if (pattern.test(text)) say()
  }
  const running = at.run(args, { signal: interrupt.signal, heard, ...options })
  const finish = async () => {
    interrupt.abort()
    return running
  }
  return { said: (index: number) => Promise.race([steps[index]?.said, running]), finish }
}

describe('fleet', () => {
  it('shows every member with its lag and refusals, and who has the head', async () => {
    const bus = at.connect()
    const nack = { revision: 1, resource: 'route', id: 'r', code: 'x', message: 'odd\x1b[2J' }
    bus.sendHeartbeat(await at.heartbeat(1))
    bus.sendHeartbeat(await at.heartbeat(0, { id: 'p2', nacks: [nack] }))
    const { out, code } = await at.run(['fleet'])
    expect(code).toBe(0)
    expect(out).toMatch(/^revision 1: 1 of 2 live proxies have it\n\nID +ROLE/)
    expect(out).toMatch(/\np1 +proxy +t +live +1 +0 +- .* -\n/)
    expect(out).toMatch(/\np2 +proxy +t +live +0 +1 .* route\/r: odd\?\[2J\n$/)
    expect((await at.run(['fleet', '--json'])).json).toMatchObject({ live: 2, applied: 1 })
    await bus.close()
  })

  it('--watch tells what is there, then each change once, as lines', async () => {
    const bus = at.connect()
    bus.sendHeartbeat(await at.heartbeat(1))
    const patterns = [/p1 live at 1, lag 0\n/, /revision 2\n/, /p1 live at 2, lag 0\n/]
    const { said, finish } = await watch(['fleet', '--watch'], patterns)
    await said(0)
    bus.sendHeartbeat(await at.heartbeat(1))
    await at.run(['delete', 'route', 'gpt-4.1'])
    await said(1)
    bus.sendHeartbeat(await at.heartbeat(2))
    await said(2)
    const { code, out } = await finish()
    expect(code).toBe(130)
    expect(out.match(/proxy p1 live at 1, lag 0/g)).toHaveLength(1)
    for (const line of out.trimEnd().split('\n')) expect(line).toMatch(/^\d{4}-\d\d-\d\dT\S+Z \S/)
    await bus.close()
  })

  it('--watch draws the whole screen on a terminal, in colours', async () => {
    const bus = at.connect()
    const patterns = [/0 of 0 live/, /1 of 1 live/]
    const { said, finish } = await watch(['fleet', '--watch'], patterns, { tty: true })
    await said(0)
    bus.sendHeartbeat(await at.heartbeat(1))
    await said(1)
    const { code, out } = await finish()
    expect(code).toBe(130)
    expect(out.split('\x1b[H\x1b[2J').length).toBeGreaterThan(2)
    expect(out).toContain('\x1b[32mrevision 1: 1 of 1')
    await bus.close()
  })

  it('--watch --json is a line of JSON for each', async () => {
    const { said, finish } = await watch(['fleet', '--watch', '--json'], [/"revision":1/])
    await said(0)
    const { out } = await finish()
    expect(JSON.parse(out.split('\n')[0] ?? '')).toMatchObject({ event: 'revision', data: {} })
  })

  it('--watch fails where there is no server, or no right to look', async () => {
    const { code, err } = await at.run(['fleet', '--watch', '--url', 'http://127.0.0.1:9'])
    expect([code, err]).toEqual([4, expect.stringContaining('unreachable')])
    expect((await at.run(['fleet', '--watch', '--token', 'wrong'])).code).toBe(3)
  })
})

describe('status', () => {
  it('shows the health of every backend, of what nobody looked at, too', async () => {
    const bus = at.connect()
    bus.sendStatus({ observer: 'probe', statuses: [statusOf('b1', 'down', { error: 'refused' })] })
    const { out } = await at.run(['status'])
    expect(out).toMatch(/\nb1 +down +1970-01-01T\S+ +7 ms +- +refused\nb2 +unknown +- /)
    await bus.close()
  })

  it('--watch tells each change', async () => {
    const bus = at.connect()
    const patterns = [/backend b2 unknown\n/, /backend b1 down: gone\n/]
    const { said, finish } = await watch(['status', '--watch'], patterns)
    await said(0)
    bus.sendStatus({ observer: 'probe', statuses: [statusOf('b1', 'down', { error: 'gone' })] })
    await said(1)
    expect((await finish()).code).toBe(130)
    await bus.close()
  })
})

describe('colours', () => {
  it('are for a terminal, and not where NO_COLOR is set', async () => {
    expect((await at.run(['fleet'], { tty: true })).out).toContain('\x1b[33m')
    expect((await at.run(['fleet'])).out).not.toContain('\x1b')
    const env = { NO_COLOR: '1' }
    expect((await at.run(['fleet'], { tty: true, env })).out).not.toContain('\x1b')
  })
})

describe('doctor', () => {
  it('finds nothing to complain of where all is well', async () => {
    const bus = at.connect()
    bus.sendHeartbeat(await at.heartbeat(1))
    bus.sendHeartbeat(await at.heartbeat(1, { id: 'probe', role: 'probe' }))
    bus.sendStatus({ observer: 'probe', statuses: [statusOf('b1', 'ready')] })
    // What answers /healthz is one of ours: here it is the admin API.
    const address = new URL(at.base).host
    const env = { SIGNALBOX_PROXY_LISTEN: address, SIGNALBOX_PROBE_LISTEN: address }
    const { out, code, json } = await at.run(['doctor', '--json'], { env, platform: 'darwin' })
    expect([code, json.ok]).toEqual([0, true])
    const states = json.checks.map((one: { name: string; state: string }) => [one.name, one.state])
    const names = ['address', 'admin API', 'database', 'bus', 'clock', 'token', 'proxies', 'lag']
    const more = ['refusals', 'probe', 'backends', 'master key', 'proxy port', 'probe port']
    const all = [...names, ...more]
    expect(states).toEqual(all.map((name) => [name, 'ok']))
    expect(out).not.toContain(TOKENS.admin)
    await bus.close()
  })

  it('names what is wrong, with its remedy', async () => {
    const bus = at.connect()
    const nack = { revision: 1, resource: 'route', id: 'r', code: 'x', message: 'odd' }
    bus.sendHeartbeat(await at.heartbeat(0, { nacks: [nack] }))
    bus.sendStatus({ observer: 'probe', statuses: [statusOf('b1', 'down', { error: 'refused' })] })
    const { out, code } = await at.run(['doctor'])
    expect(code).toBe(1)
    expect(out).toMatch(/fail {2}lag: behind revision 1: p1 \(1\)\n {6}Ask again/)
    expect(out).toMatch(/fail {2}refusals: p1: route r of revision 1: odd\n {6}Correct/)
    expect(out).toMatch(/warn {2}probe: no health probe is live\n {6}Start one/)
    expect(out).toMatch(/fail {2}backends: down: b1 \(refused\)\n {6}Start them/)
    await bus.close()
  })

  it('says whether it is the server, the token or the proxies', async () => {
    expect((await at.run(['doctor'])).out).toMatch(/fail {2}proxies: no proxy is live\n/)
    const token = await at.run(['doctor', '--token', 'wrong'])
    expect([token.code, token.out]).toEqual([
      1,
      expect.stringMatching(/fail {2}token: .*\n {6}Send/),
    ])
    const nobody = makeFolder()
    const server = await nobody.run(['doctor', '--url', 'http://127.0.0.1:9'])
    expect(server.out).toMatch(/fail {2}admin API: http:\/\/127\.0\.0\.1:9 does not answer/)
    expect(server.code).toBe(1)
    nobody.remove()
  })
})

it('events are read in whatever pieces they come', async () => {
  const text =
    ': hello\n\nevent: a\ndata: {"x":"ü"}\n\nevent: b\r\ndata: [1]\r\n\r\nevent: c\ndata: {'
  const bytes = new TextEncoder().encode(text)
  for (const size of [1, 2, 3, 7, 100]) {
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.slice(i * size, (i + 1) * size),
    )
    const events: unknown[] = []
    for await (const event of readEvents(pieces)) events.push(event)
    expect(events).toEqual([
      { event: 'a', data: { x: 'ü' } },
      { event: 'b', data: [1] },
    ])
  }
})
