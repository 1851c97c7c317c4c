// The product as a user starts it: real processes, the bundles, an empty data directory.
import { spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually, type MockBackend, startMockBackend, freePort } from '@signalbox/testing'
import {
  end,
  endProcesses,
  root,
  type Started,
  startProcess,
  untilUp,
} from './processes-harness.ts'

let folder: string
let ports: { proxy: number; admin: number; probe: number }
let backend: MockBackend | undefined

function start(args: readonly string[], more: Record<string, string> = {}): Started {
  const env = {
    SIGNALBOX_PROXY_LISTEN: `127.0.0.1:${ports.proxy}`,
    SIGNALBOX_ADMIN_LISTEN: `127.0.0.1:${ports.admin}`,
    SIGNALBOX_PROBE_LISTEN: `127.0.0.1:${ports.probe}`,
    ...more,
  }
  return startProcess('standalone', { args: ['--data', folder, ...args], env })
}

function up(args: readonly string[] = []): Promise<Started> {
  const started = start(args)
  return untilUp(started, () => started.output().includes('Ctrl-C drains and stops.'))
}

const chat = (model: string, stream = false) =>
  fetch(`http://127.0.0.1:${ports.proxy}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, stream, messages: [{ role: 'user', content: 'Hello' }] }),
  })

async function admin(method: string, path: string, body?: unknown) {
  const token = readFileSync(join(folder, 'admin-token'), 'utf8').trim()
  const answer = await fetch(`http://127.0.0.1:${ports.admin}/admin/v1/${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'x-reason': 'a test',
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes, compared below
  return { status: answer.status, json: (await answer.json()) as any }
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-e2e-'))
  chmodSync(folder, 0o711)
  ports = { proxy: await freePort(), admin: await freePort(), probe: await freePort() }
})
afterEach(async () => {
  await endProcesses()
  await backend?.stop()
  backend = undefined
  rmSync(folder, { recursive: true, force: true })
})

describe('npm start', () => {
  it('answers, takes a backend without restart, audits, survives kill -9 of everything', async () => {
    const first = await up()
    expect(statSync(join(folder, 'admin-token')).mode & 0o777).toBe(0o600)
    backend = await startMockBackend({ models: ['m1'] })
    const spec = { kind: 'openai-compatible', url: backend.url, health: { intervalMs: 200 } }
    const added = await admin('POST', 'backends?wait=5s', { id: 'b1', spec })
    expect(added.json.convergence).toMatchObject({ acked: 1, pending: 0 })
    expect((await chat('m1')).status).toBe(200)
    expect(await (await chat('m1', true)).text()).toMatch(/data: \[DONE\]\n\n$/)

    await backend.refuse()
    await eventually(async () => (await admin('GET', 'status')).json.items[0].health === 'down')
    await eventually(async () => (await chat('m1')).status === 503)
    await backend.accept()
    await eventually(async () => (await chat('m1')).status === 200)

    await end(first, 'SIGKILL')
    await eventually(
      async () =>
        (await fetch(`http://127.0.0.1:${ports.proxy}/healthz`).catch(() => null)) === null,
    )
    await up()
    expect((await chat('m1')).status).toBe(200)
    const { items } = (await admin('GET', 'revisions')).json
    const created = items.find(
      (item: { changes: { id: string }[] }) => item.changes[0]?.id === 'b1',
    )
    expect(created).toMatchObject({
      actor: 'admin',
      reason: 'a test',
      changes: [{ op: 'created', before: null }],
    })
    expect(
      (await admin('GET', 'fleet')).json.members.map((m: { role: string }) => m.role).sort(),
    ).toEqual(['probe', 'proxy'])
  }, 300_000)

  it('--demo has a simulated backend that says so; SIGTERM drains and exits with 0', async () => {
    const started = await up(['--demo'])
    expect(started.output()).toMatch(/demo \(openai-compatible/)
    const answer = await chat('demo-small')
    expect(await answer.text()).toMatch(/simulated/)
    expect(await end(started, 'SIGTERM')).toBe(0)
  }, 300_000)

  it.each([
    [['--nope'], {}, /Unknown option '--nope'/],
    [['--proxies', '0'], {}, /--proxies is "0"; expected 1 to 16/],
    [['--workers', 'all'], {}, /--workers is "all"; expected 1 to 64, or auto/],
    [
      [],
      { SIGNALBOX_ADMIN_TOKEN: 'short' },
      /SIGNALBOX_ADMIN_TOKEN is a value of the wrong shape; expected at least 16/,
    ],
    [
      [],
      { SIGNALBOX_PROXY_LISTEN: 'nonsense' },
      /SIGNALBOX_PROXY_LISTEN is "nonsense"; expected host:port/,
    ],
  ])(
    'stops with 78 and says why: %j %j',
    async (args, env, message) => {
      const started = start(args, env)
      expect(await started.exited).toBe(78)
      expect(started.output()).toMatch(message)
    },
    60_000,
  )

  it('lets a stream finish when Ctrl-C reaches every process of the terminal', async () => {
    const started = await up(['--demo'])
    const { body } = await chat('demo-small', true)
    const reader = body?.getReader()
    const first = await reader?.read()
    process.kill(-(started.child.pid ?? 0), 'SIGINT')
    let text = Buffer.from(first?.value ?? []).toString()
    for (;;) {
      const part = await reader?.read()
      if (!part || part.done) break
      text += Buffer.from(part.value).toString()
    }
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
    expect(await started.exited).toBe(0)
    expect(started.output()).not.toMatch(/started again/)
  }, 300_000)

  it('--config configures what its file names, and follows the file on the next start', async () => {
    backend = await startMockBackend({ models: ['m1'] })
    const file = join(folder, 'router.yaml')
    const spec = `{kind: openai-compatible, url: '${backend.url}', models: [m1]}`
    writeFileSync(file, `backends: {one: ${spec}, two: ${spec}}\n`)
    const first = await up(['--config', file])
    expect((await chat('m1')).status).toBe(200)
    expect((await admin('GET', 'sets/config-file')).json.spec.members).toHaveLength(2)
    await end(first, 'SIGTERM')

    writeFileSync(file, `selection_strategy: LeastLatency\nbackends: [{url: '${backend.url}'}]\n`)
    const second = await up(['--config', file])
    const { json } = await admin('GET', 'config')
    expect(Object.keys(json.backends)).toEqual(['127-0-0-1'])
    expect(json.policies.default.strategy).toBe('LeastLatency')
    await end(second, 'SIGTERM')

    writeFileSync(file, 'backends: {one: {kind: abacus, url: nowhere}}\n')
    const third = start(['--config', file])
    expect(await third.exited).toBe(78)
    expect(third.errors()).toMatch(/router.yaml is not valid:\n {2}backends.one.kind: /)
  }, 300_000)

  it('starts its database again when that is killed; no client notices', async () => {
    await up(['--demo'])
    const pid = Number(readFileSync(join(folder, 'postgres/postmaster.pid'), 'utf8').split('\n')[0])
    process.kill(pid, 'SIGKILL')
    const write = () => admin('POST', 'policies', { id: 'p', spec: {} })
    const statuses: number[] = []
    await eventually(async () => {
      statuses.push((await chat('demo-small')).status)
      return (await write()).status === 409 || (await write()).status === 201
    })
    expect(new Set(statuses)).toEqual(new Set([200]))
    const after = Number(
      readFileSync(join(folder, 'postgres/postmaster.pid'), 'utf8').split('\n')[0],
    )
    expect(after).not.toBe(pid)
  }, 300_000)

  it('listens on every address that is named', async () => {
    const other = await freePort()
    const listen = `127.0.0.1:${ports.proxy},127.0.0.1:${other}`
    const started = start(['--demo'], { SIGNALBOX_PROXY_LISTEN: listen })
    await untilUp(started, () => started.output().includes('Ctrl-C drains and stops.'))
    for (const port of [ports.proxy, other]) {
      expect((await fetch(`http://127.0.0.1:${port}/v1/models`)).status).toBe(200)
      expect(started.output()).toContain(`http://127.0.0.1:${port} `)
    }
  }, 300_000)

  it('says in one line that the database of its environment does not answer', async () => {
    const url = 'postgresql://u:pass-canary@127.0.0.1:1/x'
    const started = start([], { SIGNALBOX_DATABASE_URL: url })
    expect(await started.exited).toBe(78)
    expect(started.errors()).toMatch(
      /^signalbox: the database does not answer .*SIGNALBOX_DATABASE_URL/,
    )
    expect(started.errors().trim().split('\n')).toHaveLength(1)
    expect(started.errors()).not.toContain('pass-canary')
  }, 300_000)

  it('drains and ends when npm itself is told to', async () => {
    const env = {
      ...process.env,
      SIGNALBOX_PROXY_LISTEN: `127.0.0.1:${ports.proxy}`,
      SIGNALBOX_ADMIN_LISTEN: `127.0.0.1:${ports.admin}`,
      SIGNALBOX_PROBE_LISTEN: `127.0.0.1:${ports.probe}`,
    }
    const npm = spawn('npm', ['start', '--', '--demo', '--data', folder], {
      cwd: root,
      env,
      detached: true,
    })
    const isUp = () =>
      fetch(`http://127.0.0.1:${ports.proxy}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      )
    try {
      await eventually(isUp, { timeoutMs: 180_000 })
      npm.kill('SIGTERM')
      await eventually(() => !existsSync(join(folder, 'lock')), { timeoutMs: 180_000 })
      expect(await isUp()).toBe(false)
    } finally {
      if (npm.pid !== undefined && npm.exitCode === null && npm.signalCode === null) {
        process.kill(-npm.pid, 'SIGTERM')
      }
    }
  }, 300_000)

  it('whose port is taken names the port and the variable', async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(ports.proxy, '127.0.0.1', resolve))
    try {
      const started = start([])
      expect(await started.exited).toBe(78)
      expect(started.output()).toMatch(
        new RegExp(`127.0.0.1:${ports.proxy} is in use .*SIGNALBOX_PROXY_LISTEN`),
      )
    } finally {
      await new Promise((resolve) => taken.close(resolve))
    }
  }, 300_000)

  it('on data that is in use is refused, and leaves the running one alone', async () => {
    await up()
    const second = start([])
    expect(await second.exited).toBe(78)
    expect(second.output()).toMatch(/in use by process/)
    expect((await fetch(`http://127.0.0.1:${ports.admin}/healthz`)).status).toBe(200)
  }, 300_000)
})
