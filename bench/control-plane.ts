import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { findNatsServer, startNatsServer } from '@signalbox/testing'
import { Pool } from 'undici'

const root = join(import.meta.dirname, '..')
const UP_MS = 120_000
const POLL_MS = 10
const CONNECTIONS = 16
const KB = 1_024
/** Nobody is there: the admin API runs without a bus, and says so. */
const NOWHERE = 'nats://127.0.0.1:9'

export interface Called {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  readonly ms: number
}

/** The admin API as its own process, on a database that is there, with a broker if there is one. */
export interface ControlPlane {
  /** From the start of the command until it says that it is ready. */
  readonly readyMs: number
  /** Throws where the answer is no success. */
  call(method: string, path: string, body?: unknown): Promise<Called>
  /** A sample of its metrics by its name, without labels; NaN where there is none. */
  metric(name: string): Promise<number>
  /** Milliseconds that one look at /healthz took. */
  pulse(): Promise<number>
  /** The most memory it has had, in bytes; NaN where the system does not tell. */
  rssBytesMost(): number
  stop(): Promise<void>
}

export interface Broker {
  readonly url: string
  readonly there: boolean
  stop(): Promise<void>
}

export async function startBroker(): Promise<Broker> {
  if (findNatsServer() === undefined) {
    return { url: NOWHERE, there: false, stop: () => Promise.resolve() }
  }
  const { url, stop } = await startNatsServer()
  return { url, there: true, stop }
}

export interface Backing {
  readonly databaseUrl: string
  readonly busUrl: string
  readonly port: number
  /** More of its environment, such as the fleet. */
  readonly env?: Readonly<Record<string, string>>
}

export async function startControlPlane(backing: Backing): Promise<ControlPlane> {
  const { databaseUrl, busUrl, port } = backing
  const token = randomBytes(32).toString('base64url')
  const startMs = performance.now()
  const child = spawn(process.execPath, [join(root, 'dist/admin-api/main.js')], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      SIGNALBOX_DATABASE_URL: databaseUrl,
      SIGNALBOX_NATS_URL: busUrl,
      SIGNALBOX_ADMIN_LISTEN: `127.0.0.1:${port}`,
      SIGNALBOX_ADMIN_TOKEN: token,
      SIGNALBOX_MASTER_KEY: randomBytes(32).toString('base64'),
      ...backing.env,
    },
  })
  const pool = new Pool(`http://127.0.0.1:${port}`, {
    connections: CONNECTIONS,
    headersTimeout: UP_MS,
    bodyTimeout: UP_MS,
  })
  const stop = async () => {
    await pool.close()
    await end(child)
  }
  if (!(await becomesReady(pool, child))) {
    await stop()
    throw new Error('the admin API did not become ready')
  }
  const readyMs = performance.now() - startMs
  const get = async (path: string) => {
    const beginMs = performance.now()
    const { body } = await pool.request({ method: 'GET', path })
    return { text: await body.text(), ms: performance.now() - beginMs }
  }
  return {
    readyMs,
    call: (method, path, body) => call(pool, token, { method, path, body }),
    metric: async (name) => {
      const { text } = await get('/metrics')
      return Number(new RegExp(`^${name} (.+)$`, 'm').exec(text)?.[1])
    },
    pulse: async () => (await get('/healthz')).ms,
    rssBytesMost: () => rssBytesMost(child),
    stop,
  }
}

async function call(
  pool: Pool,
  token: string,
  asked: { readonly method: string; readonly path: string; readonly body?: unknown },
): Promise<Called> {
  const { method, path, body } = asked
  const beginMs = performance.now()
  const answer = await pool.request({
    method: method as 'GET',
    path: `/admin/v1/${path}`,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.body.text()
  const ms = performance.now() - beginMs
  const { statusCode: status, headers } = answer
  if (status >= 400) throw new Error(`${method} ${path}: ${status} ${text.slice(0, 300)}`)
  return { status, headers, text, ms }
}

async function becomesReady(pool: Pool, child: ChildProcess): Promise<boolean> {
  const endMs = performance.now() + UP_MS
  while (performance.now() < endMs && child.exitCode === null) {
    const answer = await pool.request({ method: 'GET', path: '/readyz' }).catch(() => undefined)
    await answer?.body.dump()
    if (answer?.statusCode === 200) return true
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  return false
}

function rssBytesMost({ pid }: ChildProcess): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * KB
  } catch {
    return NaN
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await exited
}
