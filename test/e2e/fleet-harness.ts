// The fleet as it runs in production: admin-api, health-probe and proxies, a process each, on a
// NATS and a Postgres that the test gives.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually, type MockBackend, freePort } from '@signalbox/testing'
import { type Started, startProcess, untilUp } from './processes-harness.ts'

export const TOKEN = 'e2e-token-7Yq2mVbX'
export const MASTER_KEY = Buffer.from(Array.from({ length: 32 }, (_, i) => i)).toString('base64')
/** A port of nobody: reserved, and below those that systems give away. */
export const NOWHERE = 'nats://127.0.0.1:1'
export const NO_NATS =
  'fleet of processes: skipped, nats-server is not on PATH (apt-get install nats-server)'
/** Nothing may take longer, whatever is broken. */
const ANSWER_MS_MAX = 30_000
const PROXIES = 2

export interface Called {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- many shapes, compared in tests
  readonly json: any
}

export interface FleetOptions {
  readonly natsUrl: string
  readonly databaseUrl: string
  /** For every process. */
  readonly env?: Readonly<Record<string, string>>
}

export interface ProcessFleet {
  readonly folder: string
  readonly adminUrl: string
  startAdmin(): Promise<Started>
  startProbe(): Promise<Started>
  /** The first or second proxy; on `dataDir` instead of its own where that is given. */
  startProxy(index: number, dataDir?: string): Promise<Started>
  /** All of it; answers when everybody is ready and known to the admin API. */
  startAll(): Promise<{
    readonly admin: Started
    readonly probe: Started
    readonly proxies: readonly Started[]
  }>
  /** Where a proxy listens: host:port. */
  address(index: number): string
  /** A path without a leading slash is below /admin/v1. Fails where the answer takes too long. */
  call(method: string, path: string, body?: unknown): Promise<Called>
  /** Of a proxy. */
  get(index: number, path: string): Promise<Called>
  chat(index: number, model: string, more?: object): Promise<Response>
  /** The same with a body of this many bytes more, in chunks: its length is not declared. */
  chatInChunks(index: number, model: string, bytes: number): Promise<Response>
  /** Adds a backend of one model, named as the backend is. */
  add(id: string, url: string, query?: string): Promise<Called>
  /** Waits until all live members (with the probe) have applied this revision. */
  applied(revision: number): Promise<void>
  remove(): void
}

/** Takes the ports and a folder; starts nothing yet. */
export async function createFleet(options: FleetOptions): Promise<ProcessFleet> {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-e2e-'))
  chmodSync(folder, 0o711)
  const admin = await freePort()
  const probe = await freePort()
  const proxies = await Promise.all(Array.from({ length: PROXIES }, freePort))
  const { natsUrl, databaseUrl } = options
  const shared = fleetEnv({ ...options.env, SIGNALBOX_NATS_URL: natsUrl })
  const at = (port: number | undefined) => `127.0.0.1:${port}`

  const call = (method: string, path: string, body?: unknown) => {
    const below = path.startsWith('/') ? path : `/admin/v1/${path}`
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
    return send(`http://${at(admin)}${below}`, { method, headers, ...withBody(body) })
  }
  const startAdmin = () => {
    const env = {
      ...shared,
      SIGNALBOX_DATABASE_URL: databaseUrl,
      SIGNALBOX_ADMIN_TOKEN: TOKEN,
      SIGNALBOX_ADMIN_LISTEN: at(admin),
    }
    return untilUp(startProcess('admin-api', { env }), () => isAlive(at(admin)))
  }
  const startProbe = () => {
    const env = { ...shared, SIGNALBOX_PROBE_LISTEN: at(probe) }
    return untilUp(startProcess('health-probe', { env }), () => isAlive(at(probe)))
  }
  const startProxy = (index: number, dataDir = join(folder, `proxy-${index}`)) => {
    const env = {
      ...shared,
      SIGNALBOX_PROXY_LISTEN: at(proxies[index]),
      SIGNALBOX_PROXY_ID: `proxy-${index}`,
      SIGNALBOX_DATA_DIR: dataDir,
    }
    return untilUp(startProcess('proxy', { env }), () => isAlive(at(proxies[index])))
  }
  const heard = async (count: number, revision: number) => {
    const { members } = (await call('GET', 'fleet')).json
    const applied = (member: { active: number }) => member.active === revision
    return members.length === count && members.every(applied)
  }

  return {
    ...{ folder, call, startAdmin, startProbe, startProxy },
    adminUrl: `http://${at(admin)}`,
    startAll: async () => {
      const [api, prober, ...started] = await Promise.all([
        startAdmin(),
        startProbe(),
        ...proxies.map((_, index) => startProxy(index)),
      ])
      await eventually(() => heard(PROXIES + 1, 0))
      // The empty configuration has to reach them, too.
      await eventually(
        async () => {
          const ready = await Promise.all(
            proxies.map((port) => send(`http://${at(port)}/readyz`, {})),
          )
          return ready.every(({ status }) => status === 200)
        },
        { timeoutMs: 180_000 },
      )
      return { admin: api, probe: prober, proxies: started }
    },
    address: (index) => at(proxies[index]),
    get: (index, path) => send(`http://${at(proxies[index])}${path}`, {}),
    chat: (index, model, more = {}) =>
      fetch(`http://${at(proxies[index])}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }], ...more }),
      }),
    chatInChunks: (index, model, bytes) =>
      fetch(`http://${at(proxies[index])}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: ReadableStream.from([
          `{"model":"${model}","pad":"`,
          'x'.repeat(bytes),
          '"}',
        ]).pipeThrough(new TextEncoderStream()),
        duplex: 'half',
      } as RequestInit),
    add: (id, url, query = '') => {
      const health = { intervalMs: 200, unhealthyThreshold: 1 }
      const spec = { kind: 'openai-compatible', url, models: [id], health }
      return call('POST', `backends${query}`, { id, spec })
    },
    applied: async (revision) => {
      await eventually(() => heard(PROXIES + 1, revision), { timeoutMs: 180_000 })
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** A stream whose first event has come; the others of this backend wait for rest(). */
export async function openStream(
  fleet: ProcessFleet,
  backend: MockBackend,
  { index, model }: { readonly index: number; readonly model: string },
) {
  // Once it is answered at all: on a busy machine a proxy may still be hearing of the model.
  await eventually(async () => {
    const answer = await fleet.chat(index, model)
    const text = await answer.text()
    if (answer.status !== 200) throw new Error(`answered ${answer.status}: ${text}`)
    return true
  })
  const before = backend.eventsSent
  backend.holdEvents()
  const asked = fleet.chat(index, model, { stream: true })
  backend.release(1)
  const answer = await asked
  await eventually(() => backend.eventsSent === before + 1)
  return {
    status: answer.status,
    rest: () => {
      backend.release()
      return answer.text()
    },
  }
}

export interface Traffic {
  /** Ends it, and answers the status (or the error) of every request. */
  stop(): Promise<readonly (number | string)[]>
}

/** Asks one proxy after another, without a pause, until it is stopped. */
export function keepChatting(fleet: ProcessFleet): Traffic {
  let stopped = false
  const statuses: (number | string)[] = []
  const run = async () => {
    for (let turn = 0; !stopped; turn++) {
      const answer = await fleet.chat(turn % PROXIES, 'm1').catch((error: unknown) => String(error))
      if (typeof answer !== 'string') await answer.arrayBuffer()
      statuses.push(typeof answer === 'string' ? answer : answer.status)
    }
  }
  const running = run()
  return {
    stop: async () => {
      stopped = true
      await running
      return statuses
    },
  }
}

/** What every process of a fleet needs. */
export function fleetEnv(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    SIGNALBOX_NATS_URL: NOWHERE,
    SIGNALBOX_MASTER_KEY: MASTER_KEY,
    SIGNALBOX_DRAIN_NOTICE: '0s',
    SIGNALBOX_DRAIN_DEADLINE: '1s',
    SIGNALBOX_LOG: 'warn',
    ...more,
  }
}

function withBody(body: unknown): RequestInit {
  if (body === undefined) return {}
  return { body: typeof body === 'string' ? body : JSON.stringify(body) }
}

async function send(url: string, init: RequestInit): Promise<Called> {
  const answer = await fetch(url, { ...init, signal: AbortSignal.timeout(ANSWER_MS_MAX) })
  const text = await answer.text()
  const isJson = answer.headers.get('content-type')?.includes('json') && text !== ''
  const json: unknown = isJson ? JSON.parse(text) : null
  return { status: answer.status, headers: answer.headers, text, json }
}

async function isAlive(address: string): Promise<boolean> {
  return (await fetch(`http://${address}/healthz`)).status === 200
}
