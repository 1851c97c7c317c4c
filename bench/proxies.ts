import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort, makeDataDir, type Product, startProduct } from './product.ts'

const BACKENDS = 1_000
const MANY = 1_000_000
const KB = 1_024
const UP_MS = 10_000
const POLL_MS = 10

/** Something that passes requests on to one backend. */
export interface Peer {
  readonly name: string
  readonly url: string
  /** What a request to it has beside the usual headers. */
  readonly headers: Readonly<Record<string, string>>
  /** The model to ask for. */
  readonly model: string
  /** What its processes have used so far, in seconds, by the operating system's account. */
  cpuSeconds(): number
  /** What they hold in memory now, in bytes. */
  rssBytes(): number
  stop(): Promise<void>
}

/** The backend, as a process of its own. */
export async function startCanned(): Promise<Peer> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'canned.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  return peerOf('direct', `http://127.0.0.1:${line}`, child)
}

/** Whether a command is on PATH. */
export function has(command: string): boolean {
  try {
    execFileSync(command, ['-v'], { stdio: 'ignore' })
    return true
  } catch (error) {
    // It is there, and does not know -v.
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'
  }
}

/** One thread, as every proxy here has. */
export async function startHaproxy(backend: string): Promise<Peer> {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-bench-haproxy-'))
  const config = [
    'global',
    '  nbthread 1',
    '  maxconn 8000',
    'defaults',
    '  mode http',
    '  option http-no-delay',
    '  timeout connect 5s',
    '  timeout client 600s',
    '  timeout server 600s',
    'frontend front',
    `  bind 127.0.0.1:${port}`,
    '  default_backend back',
    'backend back',
    '  http-reuse always',
    `  server one ${new URL(backend).host}`,
    '',
  ]
  writeFileSync(join(folder, 'haproxy.cfg'), config.join('\n'))
  const child = spawn('haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')], { stdio: 'ignore' })
  const peer = peerOf('haproxy', `http://127.0.0.1:${port}`, child)
  const stop = async () => {
    await peer.stop()
    rmSync(folder, { recursive: true })
  }
  if (await isUp(peer)) return { ...peer, stop }
  await stop()
  throw new Error('haproxy did not come up')
}

/**
 * The product with all that it does: a key that is checked and limited, routing over a thousand
 * backends (all of them the same address), probes, records of each request, metrics.
 */
export async function startSignalbox(backend: string): Promise<Peer> {
  const dataDir = makeDataDir()
  const product = await startProduct(dataDir.path)
  const stop = async () => {
    await product.stop()
    dataDir.remove()
  }
  try {
    const token = await configure(product, backend)
    const pid = await proxyPid(Number(new URL(product.proxyUrl).port))
    return {
      ...{ name: 'signalbox', url: product.proxyUrl, model: 'bench', stop },
      headers: { authorization: `Bearer ${token}` },
      cpuSeconds: () => cpuOf(pid),
      rssBytes: () => rssOf(pid),
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Answers the key's token. */
async function configure(product: Product, backend: string): Promise<string> {
  const admin = async (method: string, path: string, body: unknown) => {
    const answer = await product.admin(method, path, body)
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 300)}`)
    return text
  }
  const ids = Array.from({ length: BACKENDS }, (_, nth) => `bench-${nth}`)
  const spec = { kind: 'openai-compatible', url: backend, models: ['m'], prewarm: false }
  const operations = ids.map((id) => ({ op: 'put', resource: 'backend', id, spec }))
  await admin('POST', 'changes', { operations })
  const targets = ids.map((id) => ({ backend: id, model: 'm' }))
  await admin('PUT', 'routes/bench', { spec: { tiers: [{ targets }] } })
  const limits = { rpm: MANY, tpm: MANY * KB, concurrency: MANY / 10 }
  const asked = { id: 'bench', spec: { owner: 'bench', limits } }
  const key = await admin('POST', 'keys?wait=30s', asked)
  return (JSON.parse(key) as { readonly token: string }).token
}

function peerOf(name: string, url: string, child: ChildProcess): Peer {
  const pid = child.pid ?? 0
  return {
    ...{ name, url, headers: {}, model: 'm' },
    cpuSeconds: () => cpuOf(pid),
    rssBytes: () => rssOf(pid),
    stop: async () => {
      if (child.exitCode !== null) return
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      await exited
    },
  }
}

async function isUp({ url }: Peer): Promise<boolean> {
  const endMs = performance.now() + UP_MS
  while (performance.now() < endMs) {
    const answer = await fetch(url).catch(() => undefined)
    await answer?.arrayBuffer()
    if (answer) return true
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  return false
}

/** Ticks are hundredths of a second on Linux; user and system are the 14th and 15th field. */
function cpuOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

function rssOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * KB
}

/** The process whose environment has this proxy's address, and whose command is the proxy's. */
function proxyPid(port: number): Promise<number> {
  for (const name of readdirSync('/proc').filter((one) => /^\d+$/.test(one))) {
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8')
      if (!command.includes('dist/proxy/main.js')) continue
      const env = readFileSync(`/proc/${name}/environ`, 'utf8')
      if (env.includes(`SIGNALBOX_PROXY_LISTEN=127.0.0.1:${port}`))
        return Promise.resolve(Number(name))
    } catch {
      // It has gone meanwhile, or is somebody else's.
    }
  }
  return Promise.reject(new Error('no process of the proxy was found'))
}
