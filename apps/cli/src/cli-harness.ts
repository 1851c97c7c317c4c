// The command as a user has it, against a real admin API: real HTTP, a real Postgres, the
// in-process bus.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Writable } from 'node:stream'
import { startAdminApi } from '@signalbox/admin-api'
import { createHub, type HubBus } from '@signalbox/bus'
import { createMetrics, OPEN_METRICS, silentLog, systemClock } from '@signalbox/host'
import { type Heartbeat } from '@signalbox/model'
import { openStore, type Store } from '@signalbox/store'
import { freshDatabase } from '@signalbox/testing'
import { type Input } from './io.ts'
import { runCli } from './run-cli.ts'

export const TOKENS = {
  admin: 'admin-token-0123456789',
  operator: 'operator-token-0123456789',
  viewer: 'viewer-token-0123456789',
}
export const MASTER_KEY = new Uint8Array(32).map((_, i) => i)

export interface Done {
  readonly code: number
  readonly out: string
  readonly err: string
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- many shapes, compared in tests
  readonly json: any
}

export interface RunOptions {
  readonly stdin?: string
  /** stdin is a terminal; hears when it is told to show nothing, and to show again. */
  readonly rawMode?: (raw: boolean) => void
  readonly env?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
  readonly tty?: boolean
  /** Sees what is written to stdout as it comes. */
  readonly heard?: (out: string) => void
  readonly platform?: string
}

/** A folder of its own, in which commands run. */
export interface Folder {
  readonly path: string
  /** Writes a file; answers its name. */
  write(name: string, text: string): string
  run(args: readonly string[], options?: RunOptions): Promise<Done>
  remove(): void
}

export function makeFolder(env: Readonly<Record<string, string>> = {}): Folder {
  const path = mkdtempSync(join(tmpdir(), 'signalbox-cli-'))
  const run = async (args: readonly string[], options: RunOptions = {}): Promise<Done> => {
    const [out, err] = [collector(options), collector({})]
    const code = await runCli(args, {
      env: { ...env, ...options.env },
      cwd: path,
      home: join(path, 'home'),
      platform: options.platform ?? 'linux',
      stdin: inputOf(options),
      stdout: out.stream,
      stderr: err.stream,
      signal: options.signal ?? new AbortController().signal,
    })
    return { code, out: out.text(), err: err.text(), json: parsed(out.text()) }
  }
  return {
    ...{ path, run },
    write: (name, text) => {
      mkdirSync(dirname(join(path, name)), { recursive: true })
      writeFileSync(join(path, name), text)
      return name
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  }
}

function inputOf({ stdin = '', rawMode }: RunOptions): Input {
  const text = lines(stdin)
  return rawMode ? Object.assign(text, { isTTY: true, setRawMode: rawMode }) : text
}

async function* lines(text: string): AsyncGenerator<string> {
  yield text
}

function collector({ heard, tty = false }: Pick<RunOptions, 'heard' | 'tty'>) {
  let text = ''
  const stream = new Writable({
    write: (part: Buffer, _, done) => {
      text += part.toString('utf8')
      heard?.(text)
      done()
    },
  })
  return { stream: Object.assign(stream, { isTTY: tty }), text: () => text }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

export interface Fixture extends Folder {
  readonly base: string
  readonly store: Store
  /** A bus on which a proxy or a probe may speak. */
  connect(): HubBus
  heartbeat(active: number, more?: Partial<Heartbeat>): Promise<Heartbeat>
  end(): Promise<void>
}

/** A folder whose commands find an admin API of their own, as an admin. */
export async function startFixture(): Promise<Fixture> {
  const database = await freshDatabase()
  const shared = { clock: systemClock, random: Math.random, log: silentLog }
  const store = await openStore({ url: database.url, fleet: 'default', ...shared })
  const hub = createHub({ clock: systemClock })
  const bus = hub.connect()
  const config = {
    ...{ fleet: 'default', tokens: TOKENS, masterKey: MASTER_KEY, metricsAccess: OPEN_METRICS },
    usageRetentionDays: 30,
    listen: { kind: 'tcp', host: '127.0.0.1', port: 0 },
  } as const
  const api = await startAdminApi(config, { store, bus, metrics: createMetrics(), ...shared })
  const base = api.address.kind === 'tcp' ? `http://127.0.0.1:${api.address.port}` : ''
  const folder = makeFolder({ SIGNALBOX_URL: base, SIGNALBOX_TOKEN: TOKENS.admin })
  return {
    ...folder,
    ...{ base, store },
    connect: () => hub.connect(),
    heartbeat: async (active, more = {}) => {
      const { lineage } = await store.head()
      return { ...HEARTBEAT, lineage, active, received: active, sentAtMs: Date.now(), ...more }
    },
    end: async () => {
      await api.stop()
      await bus.close()
      await store.close()
      await database.drop()
      folder.remove()
    },
  }
}

const HEARTBEAT: Heartbeat = {
  ...{ id: 'p1', role: 'proxy', labels: {}, version: 't', lineage: '', epoch: 1 },
  ...{ received: 0, active: 0, state: 'live', nacks: [], load: null, sentAtMs: 0 },
}

/** Two backends, a route over both and its policy. */
export const DOCUMENT = `backends:
  b1:
    kind: vllm
    url: http://127.0.0.1:8000
    models: [m1]
  b2:
    kind: vllm
    url: http://127.0.0.1:8001
    models: [m1]
    labels: {zone: a}
routes:
  gpt-4.1:
    tiers:
      - targets: [{backend: b1, model: m1}, {backend: b2, model: m1}]
    policy: fast
policies:
  fast:
    strategy: LeastLatency
`
