import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const POLL_MS = 2
const KB = 1_024

/** A proxy as its own process. */
export interface Proxy {
  /** From the start of the process until /readyz says so; NaN where it never did. */
  readonly readyMs: number
  /** Memory now and at most, in bytes; NaN where the system does not tell. */
  rssBytes(): { readonly now: number; readonly most: number }
  /** The revision that it serves. */
  revision(): Promise<number>
  stop(): Promise<void>
}

export interface ProxyPlace {
  readonly port: number
  readonly dataDir: string
  readonly busUrl: string
  readonly env: Readonly<Record<string, string>>
  readonly upMs: number
}

export async function startProxy(place: ProxyPlace): Promise<Proxy> {
  const { port, dataDir, busUrl, env, upMs } = place
  const startMs = performance.now()
  const child = spawn(process.execPath, [join(root, 'dist/proxy/main.js')], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      SIGNALBOX_NATS_URL: busUrl,
      SIGNALBOX_PROXY_LISTEN: `127.0.0.1:${port}`,
      SIGNALBOX_PROXY_ID: 'bench',
      SIGNALBOX_DATA_DIR: dataDir,
      SIGNALBOX_DRAIN_NOTICE: '0s',
      ...env,
    },
  })
  const base = `http://127.0.0.1:${port}`
  const ready = await becomesReady(base, { child, upMs })
  return {
    readyMs: ready ? performance.now() - startMs : NaN,
    rssBytes: () => ({ now: memoryOf(child, 'VmRSS'), most: memoryOf(child, 'VmHWM') }),
    revision: async () => {
      const answer = await fetch(`${base}/v1/models`)
      await answer.arrayBuffer()
      return Number(answer.headers.get('x-signalbox-revision'))
    },
    stop: () => end(child),
  }
}

async function becomesReady(
  base: string,
  { child, upMs }: { readonly child: ChildProcess; readonly upMs: number },
): Promise<boolean> {
  const endMs = performance.now() + upMs
  while (performance.now() < endMs && child.exitCode === null) {
    const answer = await fetch(`${base}/readyz`).catch(() => undefined)
    await answer?.arrayBuffer()
    if (answer?.status === 200) return true
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  return false
}

function memoryOf({ pid }: ChildProcess, name: string): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * KB
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
