// What processes say from outside when something is wrong: with the database, with what clients
// send, with their own environment.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  findNatsServer,
  type FreshDatabase,
  freshDatabase,
  type MockBackend,
  type NatsServer,
  startMockBackend,
  startNatsServer,
  eventually,
} from '@signalbox/testing'
import {
  createFleet,
  fleetEnv,
  keepChatting,
  NO_NATS,
  openStream,
  type ProcessFleet,
  TOKEN,
  type Traffic,
} from './fleet-harness.ts'
import { type OwnPostgres, startOwnPostgres } from './postgres-harness.ts'
import {
  type App,
  end,
  endProcesses,
  root,
  type Started,
  startProcess,
} from './processes-harness.ts'

const EACH_MS = 300_000
const EX_CONFIG = 78
const BODY_BYTES_MAX = 4_096

interface Case {
  readonly to?: string
  readonly body: unknown
  readonly status: number
  readonly code: string
  /** What the answer has to name. */
  readonly names: readonly string[]
}

function describeBadInput() {
  let database: FreshDatabase
  let nats: NatsServer
  let backend: MockBackend
  let fleet: ProcessFleet
  beforeAll(async () => {
    database = await freshDatabase()
    nats = await startNatsServer()
    backend = await startMockBackend({ models: ['m1'] })
    const env = { SIGNALBOX_BODY_BYTES_MAX: String(BODY_BYTES_MAX) }
    fleet = await createFleet({ natsUrl: nats.url, databaseUrl: database.url, env })
    await fleet.startAll()
    await fleet.add('m1', backend.url, '?wait=5s')
  }, EACH_MS)
  afterAll(async () => {
    await endProcesses()
    await backend?.stop()
    await nats?.stop()
    await database?.drop()
    fleet?.remove()
  }, EACH_MS)

  const spec = { kind: 'openai', url: 'http://127.0.0.1:9', models: ['m9'] }
  const to = 'routes'
  it.each<Case>([
    { body: '{"id":', status: 400, code: 'malformed_body', names: [] },
    { body: [], status: 400, code: 'malformed_body', names: [] },
    {
      body: { id: 'b9', spec: { kind: 'x', url: 'ftp://x', weight: -1, health: { path: 'x' } } },
      status: 422,
      code: 'validation_failed',
      names: ['spec.kind', 'spec.url', 'spec.weight', 'spec.health.path'],
    },
    {
      body: { id: 'b9', spec: { ...spec, wieght: 1, tls: { verfiy: false } } },
      status: 422,
      code: 'validation_failed',
      names: ['spec.wieght', 'spec.tls.verfiy'],
    },
    {
      body: { id: 'b9', spec, sepc: {}, reasn: '' },
      status: 422,
      code: 'validation_failed',
      names: ['sepc', 'reasn'],
    },
    { body: { id: 'm1', spec }, status: 409, code: 'already_exists', names: ['m1'] },
    {
      to,
      body: { id: 'r9', spec: { tiers: [{ targets: [{ backend: 'gone' }] }] } },
      status: 409,
      code: 'dangling_reference',
      names: ['r9', 'gone'],
    },
    {
      to,
      body: { id: 'r9', spec: { tiers: [{ targets: [{ backend: 'm1' }] }], policy: 'none' } },
      status: 409,
      code: 'dangling_reference',
      names: ['r9', 'none'],
    },
  ])('is refused as $code, by name, and nothing is written: $body', async (row) => {
    const answer = await fleet.call('POST', row.to ?? 'backends', row.body)
    expect([answer.status, answer.json.code]).toEqual([row.status, row.code])
    expect(answer.headers.get('content-type')).toMatch('application/problem+json')
    const said = JSON.stringify([answer.json.detail, answer.json.errors])
    for (const name of row.names) expect(said).toMatch(name)
    expect((await fleet.call('GET', 'fleet')).json.head.revision).toBe(1)
    expect((await fleet.call('GET', 'revisions')).json.items).toHaveLength(1)
  })

  it('to a proxy is answered in the shape of OpenAI, and no backend hears of it', async () => {
    const before = chatsOf(backend)
    const unknown = await fleet.chat(0, 'nope')
    expect(unknown.status).toBe(404)
    expect(((await unknown.json()) as { error: unknown }).error).toEqual({
      message: expect.stringContaining('"nope"'),
      type: 'invalid_request_error',
      param: 'model',
      code: 'model_not_found',
    })
    const declared = await fleet.chat(0, 'm1', { pad: 'x'.repeat(BODY_BYTES_MAX) })
    const chunked = await fleet.chatInChunks(0, 'm1', BODY_BYTES_MAX)
    for (const answer of [declared, chunked]) {
      expect(answer.status).toBe(413)
      expect(await answer.json()).toMatchObject({ error: { code: 'request_too_large' } })
    }
    expect(chatsOf(backend)).toBe(before)
    const fits = await fleet.chat(0, 'm1')
    expect([fits.status, (await fits.text()).length > 0]).toEqual([200, true])
    expect(chatsOf(backend)).toBe(before + 1)
  })

  it('is none where no backend is up: 503 with retry-after, until one is', async () => {
    await backend.refuse()
    const refused = await eventually(async () => {
      const answer = await fleet.chat(0, 'm1')
      const body = (await answer.json()) as { error?: { code: string } }
      return body.error?.code === 'no_backend' && answer
    })
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1'])
    await backend.accept()
    await eventually(async () => (await fleet.chat(0, 'm1')).status === 200)
  })
}

const TROUBLES = [
  {
    how: 'frozen',
    begin: (postgres: OwnPostgres) => postgres.freeze(),
    mend: async (postgres: OwnPostgres) => postgres.thaw(),
  },
  {
    how: 'killed',
    begin: (postgres: OwnPostgres) => postgres.kill(),
    mend: (postgres: OwnPostgres) => postgres.restart(),
  },
]

function describeDatabase() {
  let postgres: OwnPostgres
  let nats: NatsServer
  let backend: MockBackend
  let streaming: MockBackend
  let traffic: Traffic | undefined
  let admin: Started
  let fleet: ProcessFleet
  beforeEach(async () => {
    postgres = await startOwnPostgres()
    nats = await startNatsServer()
    backend = await startMockBackend({ models: ['m1'] })
    streaming = await startMockBackend({ models: ['s1'] })
    fleet = await createFleet({ natsUrl: nats.url, databaseUrl: postgres.url })
    admin = (await fleet.startAll()).admin
    await fleet.add('s1', streaming.url)
    await fleet.add('m1', backend.url, '?wait=5s')
  }, EACH_MS)
  afterEach(async () => {
    postgres?.thaw()
    streaming?.release()
    await traffic?.stop()
    await endProcesses()
    await Promise.all([backend?.stop(), streaming?.stop()])
    await nats?.stop()
    await postgres?.stop()
    fleet?.remove()
  }, EACH_MS)

  /** Reads and writes of every kind, and a write that comes when it is known already. */
  const askInVain = async () => {
    const asked = Promise.all([
      fleet.add('m2', backend.url),
      fleet.add('m3', backend.url, '?wait=5s'),
      fleet.call('PATCH', 'backends/m1', { spec: { weight: 2 } }),
      fleet.call('DELETE', 'backends/m1'),
      fleet.call('GET', 'backends'),
      fleet.call('GET', 'revisions'),
    ])
    await eventually(async () => (await fleet.call('GET', '/readyz')).status === 503)
    return [await fleet.add('m4', backend.url), ...(await asked)]
  }

  it.each(TROUBLES)(
    '$how: reads and writes are refused in time, proxies notice nothing, and it mends by itself',
    async ({ begin, mend }) => {
      // So that several connections lie ready, of which each has to be found out.
      await Promise.all([1, 2, 3, 4, 5, 6].map(() => fleet.call('GET', 'backends')))
      const stream = await openStream(fleet, streaming, { index: 0, model: 's1' })
      traffic = keepChatting(fleet)
      await begin(postgres)
      for (const { status, headers, json } of await askInVain()) {
        expect([status, json.code]).toEqual([503, 'database_unavailable'])
        expect(headers.get('content-type')).toMatch('application/problem+json')
        expect(headers.get('retry-after')).toBe('1')
      }
      const ready = await fleet.call('GET', '/readyz')
      expect(ready.json).toMatchObject({ reasons: ['the database does not answer'] })
      expect((await fleet.call('GET', '/healthz')).status).toBe(200)
      for (const index of [0, 1]) expect((await fleet.get(index, '/readyz')).status).toBe(200)
      expect(await stream.rest()).toMatch(/data: \[DONE\]\n\n$/)

      await mend(postgres)
      await eventually(async () => (await fleet.call('GET', '/readyz')).status === 200)
      const added = await fleet.add('m2', backend.url, '?wait=5s')
      expect([added.status, added.json.revision]).toEqual([201, 3])
      expect(added.json.convergence).toMatchObject({ acked: 2, pending: 0, nacked: 0 })
      expect((await fleet.call('GET', 'revisions')).json.items).toHaveLength(3)
      const statuses = await traffic.stop()
      expect(statuses.length).toBeGreaterThan(10)
      expect(statuses.filter((status) => status !== 200)).toEqual([])
    },
    EACH_MS,
  )

  it(
    'frozen does not keep the admin API from ending when it is told to',
    async () => {
      await postgres.freeze()
      await eventually(async () => (await fleet.call('GET', '/readyz')).status === 503)
      expect(await end(admin, 'SIGTERM')).toBe(0)
    },
    EACH_MS,
  )
}

const chatsOf = (backend: MockBackend) =>
  backend.requests.filter(({ path }) => path.endsWith('/chat/completions')).length

if (findNatsServer() === undefined) it.skip(NO_NATS, () => {})
else {
  describe('a database that is', describeDatabase)
  describe('bad input', describeBadInput)
}

const APPS: readonly (readonly [App, string])[] = [
  ['admin-api', 'SIGNALBOX_ADMIN_LISTEN'],
  ['health-probe', 'SIGNALBOX_PROBE_LISTEN'],
  ['proxy', 'SIGNALBOX_PROXY_LISTEN'],
]

describe.each(APPS)('%s', (app, listen) => {
  let database: FreshDatabase
  let folder: string
  let taken: Server
  const goodEnv = () => ({
    ...fleetEnv(),
    SIGNALBOX_DATABASE_URL: database.url,
    SIGNALBOX_ADMIN_TOKEN: TOKEN,
    SIGNALBOX_DATA_DIR: folder,
    [listen]: '127.0.0.1:0',
  })
  /** Exit code, and the lines on stderr. */
  const startWith = async (more: Record<string, string>) => {
    const started = startProcess(app, { env: { ...goodEnv(), ...more } })
    const code = await started.exited
    return { code, lines: started.errors().trimEnd().split('\n') }
  }

  beforeEach(async () => {
    database = await freshDatabase()
    folder = mkdtempSync(join(tmpdir(), 'signalbox-e2e-'))
    taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  })
  afterEach(async () => {
    await endProcesses()
    await new Promise((resolve) => taken.close(resolve))
    await database.drop()
    rmSync(folder, { recursive: true, force: true })
  })

  it.each([
    [listen, 'nonsense', `is "nonsense"; expected host:port`],
    ['SIGNALBOX_NATS_URL', 'http://x', 'is a value of the wrong shape; expected nats://host:port'],
    ['SIGNALBOX_MASTER_KEY', 'short', 'is a value of the wrong shape; expected 32 bytes as base64'],
    ['SIGNALBOX_FLEET', 'A_B', 'is "A_B"; expected 1 to 31 lower-case letters'],
    ['SIGNALBOX_LOG', 'loud', 'is "loud"; expected a level'],
  ])('stops with 78 and one line where %s is %j', async (variable, value, problem) => {
    const { code, lines } = await startWith({ [variable]: value })
    expect([code, lines]).toEqual([EX_CONFIG, [expect.stringContaining(`${variable} ${problem}`)]])
  })

  it(
    'checks every variable that it is documented to read',
    async () => {
      const names = readBy(app)
      expect(names.length).toBeGreaterThan(8)
      for (const name of names) {
        const { code, lines } = await startWith({ [name]: '' })
        expect([name, code, lines]).toEqual([
          name,
          EX_CONFIG,
          [expect.stringMatching(new RegExp(`^signalbox: ${name} is .*; expected `))],
        ])
      }
    },
    EACH_MS,
  )

  it('whose port is taken says in one line which, and the variable', async () => {
    const { port } = taken.address() as AddressInfo
    const { code, lines } = await startWith({ [listen]: `127.0.0.1:${port}` })
    const problem = `127.0.0.1:${port} is in use by another process; stop it, or set ${listen}`
    expect([code, lines]).toEqual([EX_CONFIG, [expect.stringContaining(problem)]])
  })
})

/** The variables of docs/configuration.md that this process reads. */
function readBy(app: App): readonly string[] {
  const page = readFileSync(join(root, 'docs/configuration.md'), 'utf8')
  return [...page.matchAll(/^\| `(SIGNALBOX_[A-Z_]+)` \| ([^|]+) \|/gm)]
    .filter(([, , readers]) => new RegExp(`\\b(all|${app})\\b`).test(readers ?? ''))
    .map(([, name = '']) => name)
}
