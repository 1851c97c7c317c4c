import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from './eventually.ts'
import { findProgram } from './find-program.ts'
import { freePort } from './free-port.ts'

export interface RedisServer {
  /** The same over restarts. */
  readonly url: string
  stop(): Promise<void>
  /** Stops it where it stands: it takes connections and answers nothing. */
  freeze(): void
  thaw(): void
  /** Starts it again, on the same port, empty. */
  restart(): Promise<void>
}

const HOST = '127.0.0.1'

/** The path of `redis-server`; undefined where there is none, and its tests are skipped. */
export function findRedisServer(): string | undefined {
  return findProgram('redis-server')
}

/** A real redis-server on a port of its own, which keeps nothing on disk. */
export async function startRedisServer(args: readonly string[] = []): Promise<RedisServer> {
  const binary = findRedisServer()
  if (binary === undefined) throw new Error('redis-server is not on PATH')
  const folder = await mkdtemp(join(tmpdir(), 'signalbox-redis-'))
  const port = await freePort()
  const fixed = ['--bind', HOST, '--port', String(port), '--save', '', '--appendonly', 'no']
  const all = [...fixed, '--dir', folder, ...args]
  let child = await start(binary, { all, port })
  return {
    url: `redis://${HOST}:${port}`,
    stop: async () => {
      await end(child)
      await rm(folder, { recursive: true, force: true })
    },
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    restart: async () => {
      await end(child)
      child = await start(binary, { all, port })
    },
  }
}

async function start(
  binary: string,
  { all, port }: { readonly all: readonly string[]; readonly port: number },
): Promise<ChildProcess> {
  const child = spawn(binary, all, { stdio: 'ignore' })
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error('redis-server ended')
    return answers(port)
  })
  return child
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, HOST, () => socket.write('PING\r\n'))
    socket.on('data', (data) => {
      socket.destroy()
      resolve(data.toString().startsWith('+PONG') || data.toString().startsWith('-NOAUTH'))
    })
    socket.on('error', () => resolve(false))
  })
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGCONT')
  child.kill('SIGTERM')
  await ended
}
