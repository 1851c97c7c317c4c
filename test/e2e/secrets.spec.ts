// Canaries: secrets that are planted in a running product and looked for wherever it writes.
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually, type MockBackend, startMockBackend, freePort } from '@signalbox/testing'
import { filesIn } from './files-harness.ts'
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

/** Follows the events of the admin API from now on; all that came by the time that they ended. */
async function follow(): Promise<{ readonly ended: Promise<string> }> {
  const headers = { authorization: `Bearer ${token()}` }
  const answer = await fetch(`http://127.0.0.1:${ports.admin}/admin/v1/events`, { headers })
  expect(answer.status).toBe(200)
  return { ended: answer.text() }
}

const chat = (headers: Record<string, string>, model = 'm1') =>
  fetch(`http://127.0.0.1:${ports.proxy}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: PROMPT }] }),
  })

const READS = [
  ...['backends', 'secrets', 'secrets/status', 'keys', 'principals', 'settings', 'sets'],
  ...['revisions', 'diff?from=0', 'config', 'config?format=yaml', 'config?format=toml&asOf=2'],
  ...['status', 'status/b1', 'status/b1/history', 'fleet', 'releases', 'usage', 'requests'],
  ...['audit/export', 'audit/denials', 'audit/last-uses', 'audit/verify', 'audit/checkpoint'],
]

/** What anybody could read by then, with why requests went where they went. */
async function readEverything(): Promise<readonly { status: number; text: string }[]> {
  interface Listed {
    readonly items: readonly { readonly requestId: string; readonly status: number }[]
  }
  const served = async () => {
    const { items } = JSON.parse((await admin('GET', '/admin/v1/requests')).text) as Listed
    const all = items.filter(({ status }) => status === 200)
    return all.length >= 2 && all[0]
  }
  const { requestId } = await eventually(served)
  const spec = { weight: 7 }
  const operations = [{ op: 'patch', resource: 'backend', id: 'b1', spec }]
  const asks: readonly (readonly [string, object])[] = [
    ['explain', { model: 'm1' }],
    ['explain', { requestId }],
    ['plan', { operations }],
  ]
  return Promise.all([
    ...READS.map((path) => admin('GET', `/admin/v1/${path}`)),
    ...asks.map(([path, body]) => admin('POST', `/admin/v1/${path}`, body)),
  ])
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
    const events = await follow()
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

    const answers = await readEverything()
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
    const told = await events.ended
    expect(told).toMatch(/event: revision[\s\S]*event: member/)

    const written: [string, string][] = [
      ['output', product.output()],
      ['answers', answers.map(({ text }) => text).join('\n')],
      ['events', told],
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
