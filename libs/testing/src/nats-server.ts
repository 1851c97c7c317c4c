import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from './eventually.ts'
import { findProgram } from './find-program.ts'
import { freePort } from './free-port.ts'

export interface NatsServer {
  /** The same over restarts. */
  readonly url: string
  /** Ends the server and removes its data, where it was not given a place for them. */
  stop(): Promise<void>
  /** Ends the server without a warning (SIGKILL). Its data stay. */
  kill(): Promise<void>
  /** Starts it again, on the same port; `wipe` loses everything it had stored. */
  restart(options?: { readonly wipe?: boolean }): Promise<void>
}

export interface NatsServerOptions {
  readonly storeDir?: string
  /** A configuration file that says where the data lie; its address gives way to one of ours. */
  readonly configFile?: string
  /** More arguments, such as `--auth`, `token`. */
  readonly args?: readonly string[]
}

const HOST = '127.0.0.1'

/** The path of `nats-server`; undefined where there is none, and its tests are skipped. */
export function findNatsServer(): string | undefined {
  return findProgram('nats-server')
}

/** A real nats-server with JetStream on a port of its own. Throws where it is not installed. */
export async function startNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const binary = findNatsServer()
  if (binary === undefined) throw new Error('nats-server is not on PATH')
  const storeDir = options.storeDir ?? (await mkdtemp(join(tmpdir(), 'signalbox-nats-')))
  const port = await freePort()
  const { configFile } = options
  const store = configFile === undefined ? ['-js', '-sd', storeDir] : ['-c', configFile]
  const args = ['-a', HOST, '-p', String(port), ...store, ...(options.args ?? [])]
  const remove = () => rm(storeDir, { recursive: true, force: true })
  let child = await start(binary, { args, port })
  return {
    url: `nats://${HOST}:${port}`,
    stop: async () => {
      await end(child, 'SIGTERM')
      if (options.storeDir === undefined) await remove()
    },
    kill: () => end(child, 'SIGKILL'),
    restart: async ({ wipe = false } = {}) => {
      await end(child, 'SIGTERM')
      if (wipe) await remove()
      child = await start(binary, { args, port })
    },
  }
}

async function start(
  binary: string,
  { args, port }: { readonly args: readonly string[]; readonly port: number },
): Promise<ChildProcess> {
  const child = spawn(binary, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  await eventually(() => {
    if (child.exitCode !== null) throw new Error(`nats-server ended: ${said}`)
    // JetStream is up before the server says this, and clients are accepted from then on.
    return said.includes('Server is ready') && accepts(port)
  })
  return child
}

function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill(signal)
  })
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: HOST, port })
    const settle = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', () => settle(true)).once('error', () => settle(false))
  })
}
