import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const UP_MS = 60_000
const POLL_MS = 5

/** The product as `npm start -- --demo` runs it, on ports and in a directory of its own. */
export interface Product {
  readonly proxyUrl: string
  /** From the start of the command to the first answer through the proxy. */
  readonly firstAnswerMs: number
  admin(method: string, path: string, body?: unknown): Promise<Response>
  /** A sample of the proxy's metrics by its name, without labels. */
  metric(name: string): Promise<number>
  stop(): Promise<void>
}

export function makeDataDir(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'signalbox-bench-'))
  return { path: join(path, 'data'), remove: () => rmSync(path, { recursive: true }) }
}

export async function startProduct(dataDir: string): Promise<Product> {
  const [proxy, admin, probe] = await freePorts(3)
  const proxyUrl = `http://127.0.0.1:${proxy}`
  const startMs = performance.now()
  const args = ['tools/run.mjs', 'start', '--demo', '--data', dataDir]
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      SIGNALBOX_PROXY_LISTEN: `127.0.0.1:${proxy}`,
      SIGNALBOX_ADMIN_LISTEN: `127.0.0.1:${admin}`,
      SIGNALBOX_PROBE_LISTEN: `127.0.0.1:${probe}`,
    },
  })
  await firstAnswer(proxyUrl, child)
  const firstAnswerMs = performance.now() - startMs
  const token = readFileSync(join(dataDir, 'admin-token'), 'utf8').trim()
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  return {
    proxyUrl,
    firstAnswerMs,
    admin: (method, path, body) =>
      fetch(`http://127.0.0.1:${admin}/admin/v1/${path}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    metric: async (name) => {
      const text = await (await fetch(`${proxyUrl}/metrics`)).text()
      const value = new RegExp(`^${name} (.+)$`, 'm').exec(text)?.[1]
      if (value === undefined) throw new Error(`the proxy has no metric ${name}`)
      return Number(value)
    },
    stop: () => stop(child),
  }
}

export function chatBody(stream: boolean, model = 'demo-small'): string {
  return JSON.stringify({ model, stream, messages: [{ role: 'user', content: 'Hello' }] })
}

async function firstAnswer(proxyUrl: string, child: ChildProcess): Promise<void> {
  const endMs = performance.now() + UP_MS
  while (performance.now() < endMs && child.exitCode === null) {
    const answer = await fetch(`${proxyUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: chatBody(false),
    }).catch(() => undefined)
    await answer?.arrayBuffer()
    if (answer?.ok) return
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  await stop(child)
  throw new Error('the product did not answer')
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await exited
}

export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1)
  return port
}

/** That were free a moment ago. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, '127.0.0.1', () => {
            const address = server.address()
            resolve(typeof address === 'object' && address ? address.port : 0)
          })
        }),
    ),
  )
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))))
  return ports
}
