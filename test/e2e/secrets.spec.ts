// Canaries: secrets that are planted in a running product and looked for wherever it writes.
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually, type MockBackend, startMockBackend, freePort } from '@signalbox/testing'
import { endProcesses, type Started, startProcess, untilUp } from './processes-harness.ts'

const API_KEY = 'sk-canary-of-a-backend-7f3a'
const VALUE = 'sk-canary-of-a-secret-2c8d'
const PROMPT = 'canary-of-a-prompt-91b2'
const WRONG = 'canary-of-a-wrong-token-55c1'

let folder: string
let ports: { proxy: number; admin: number; probe: number }
let backend: MockBackend
let product: Started

const token = () => readFileSync(join(folder, 'admin-token'), 'utf8').trim()

async function admin(method: string, path: string, body?: unknown, bearer = token()) {
  const answer = await fetch(`http://127.0.0.1:${ports.admin}${path}`, {
    method,
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: answer.status, text: await answer.text() }
}

const chat = (headers: Record<string, string>, model = 'm1') =>
  fetch(`http://127.0.0.1:${ports.proxy}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: PROMPT }] }),
  })

/** Every file below a folder, as Latin-1: bytes as they are. */
function* filesIn(path: string): Generator<[name: string, text: string]> {
  for (const name of readdirSync(path)) {
    const file = join(path, name)
    if (statSync(file).isDirectory()) yield* filesIn(file)
    else yield [file, readFileSync(file, 'latin1')]
  }
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-secrets-'))
  chmodSync(folder, 0o711)
  ports = { proxy: await freePort(), admin: await freePort(), probe: await freePort() }
  backend = await startMockBackend({ models: ['m1', 'm2'] })
  const env = {
    SIGNALBOX_PROXY_LISTEN: `127.0.0.1:${ports.proxy}`,
    SIGNALBOX_ADMIN_LISTEN: `127.0.0.1:${ports.admin}`,
    SIGNALBOX_PROBE_LISTEN: `127.0.0.1:${ports.probe}`,
    SIGNALBOX_LOG: 'debug',
  }
  product = startProcess('standalone', { args: ['--data', folder], env })
  await untilUp(product, () => product.output().includes('Ctrl-C drains and stops.'))
})
afterEach(async () => {
  await endProcesses()
  await backend.stop()
  rmSync(folder, { recursive: true, force: true })
})

describe('a secret', () => {
  it('is where it belongs, and in no log, file, answer or metric', async () => {
    const spec = { kind: 'openai', url: backend.url, models: ['m1'], apiKey: API_KEY }
    expect((await admin('POST', '/admin/v1/backends?wait=5s', { id: 'b1', spec })).status).toBe(201)
    const named = { id: 's1', spec: { value: VALUE, origins: [new URL(backend.url).origin] } }
    expect((await admin('POST', '/admin/v1/secrets', named)).status).toBe(201)
    await admin('PUT', '/admin/v1/secrets/s1', { spec: { ...named.spec, sealed: VALUE } })
    const refers = {
      kind: 'openai',
      url: backend.url,
      models: ['m2'],
      credential: { secret: 's1' },
    }
    const referring = await admin('POST', '/admin/v1/backends?wait=5s', { id: 'b3', spec: refers })
    expect(referring.status).toBe(201)
    const made = await admin('POST', '/admin/v1/keys?wait=5s', { id: 'k1', spec: {} })
    const clientKey = (JSON.parse(made.text) as { token: string }).token
    await admin('GET', '/admin/v1/backends', undefined, WRONG)
    await admin('POST', '/admin/v1/backends', { id: 'b2', spec: { ...spec, url: 'x' } })
    expect((await chat({ authorization: `Bearer ${clientKey}` })).status).toBe(200)
    expect((await chat({ authorization: `Bearer sbx-${WRONG}${'x'.repeat(32)}` })).status).toBe(401)
    expect((await chat({ authorization: `Bearer ${clientKey}` }, 'm2')).status).toBe(200)
    const shown = backend.requests.map(({ headers }) => headers['authorization'])
    expect(shown).toEqual(expect.arrayContaining([`Bearer ${API_KEY}`, `Bearer ${VALUE}`]))

    const reads = [
      'backends',
      'secrets',
      'keys',
      'revisions',
      'config',
      'status',
      'fleet',
      'audit/export',
    ]
    const answers = await Promise.all(
      [...reads, 'audit/denials', 'diff?from=0'].map((path) => admin('GET', `/admin/v1/${path}`)),
    )
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
    const metrics = await Promise.all(
      Object.values(ports).map(async (port) =>
        (await fetch(`http://127.0.0.1:${port}/metrics`)).text(),
      ),
    )
    // The lines of the access log are written in a moment.
    await eventually(() => product.output().includes('invalid_key'))
    product.child.kill('SIGTERM')
    expect(await product.exited).toBe(0)

    const written: [string, string][] = [
      ['output', product.output()],
      ['answers', answers.map(({ text }) => text).join('\n')],
      ['metrics', metrics.join('\n')],
      ...filesIn(folder),
    ]
    expect(written.length).toBeGreaterThan(100)
    for (const secret of [API_KEY, VALUE, clientKey, PROMPT, WRONG]) {
      const found = written.filter(([, text]) => text.includes(secret)).map(([where]) => where)
      expect([secret, found]).toEqual([secret, []])
    }
    // Where the looking itself is looked at: the admin's token is in its file, and only there.
    const admins = written.filter(([, text]) => text.includes(token())).map(([where]) => where)
    expect(admins).toEqual([join(folder, 'admin-token')])
  }, 300_000)
})
