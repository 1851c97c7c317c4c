import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { ConfigError } from '@signalbox/host'
import { type RunAs } from './run-as.ts'
import { reasonIn } from './server-log.ts'

const READY = 'database system is ready to accept connections'
const LOG_CHARS_MAX = 16_384
/** A recovery after a crash reads what was written since the last checkpoint. */
const READY_WAIT_MS = 60_000
const STOP_WAIT_MS = 10_000
const ATTEMPTS_MAX = 5
const ATTEMPT_PAUSE_MS = 200
/** The port was taken meanwhile, or the backends of a killed server are still about to end. */
const PASSING = /could not (bind|create any TCP)|shared memory block/

export interface ServerOptions {
  readonly file: string
  readonly folder: string
  readonly user: RunAs
  readonly port: number | undefined
  readonly ephemeral: boolean
}

export interface Server {
  readonly port: number
  readonly pid: number
  readonly ended: Promise<void>
  stop(): Promise<void>
}

/** Starts Postgres and waits until it accepts connections. ConfigError where that fails. */
export async function startServer(options: ServerOptions): Promise<Server> {
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort())
    const child = spawnServer(options, port)
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
    const log = await untilReady(child)
    if (log === null) {
      return { port, pid: child.pid ?? 0, ended, stop: () => stopServer(child, ended) }
    }
    await stopServer(child, ended)
    if (attempt === ATTEMPTS_MAX || !PASSING.test(log)) {
      throw new ConfigError(`the database did not start: ${reasonIn(log)}`)
    }
    await new Promise((resolve) => setTimeout(resolve, ATTEMPT_PAUSE_MS))
  }
}

function spawnServer({ file, folder, user, ephemeral }: ServerOptions, port: number): ChildProcess {
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    `port=${port}`,
    ...(ephemeral ? ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off'] : []),
  ]
  const args = ['-D', folder, ...settings.flatMap((setting) => ['-c', setting])]
  // Its own process group: a terminal's Ctrl-C must not stop it before the drain has.
  const stdio = ['ignore', 'ignore', 'pipe'] as const
  const child = spawn(file, args, { ...user, cwd: '/', stdio: [...stdio], detached: true })
  const endWithUs = () => child.kill('SIGINT')
  process.once('exit', endWithUs)
  child.once('close', () => process.off('exit', endWithUs))
  return child
}

/** Null once it accepts connections; what it logged where it ended, or took too long. */
function untilReady(child: ChildProcess): Promise<string | null> {
  return new Promise((resolve) => {
    let log = ''
    const timer = setTimeout(() => resolve(`${log}\nnot ready in time`), READY_WAIT_MS)
    const settle = (outcome: string | null) => {
      clearTimeout(timer)
      resolve(outcome)
    }
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-LOG_CHARS_MAX)
      if (log.includes(READY)) settle(null)
    })
    child.once('error', (error) => settle(error.message))
    child.once('close', () => settle(log))
  })
}

/** A fast shutdown; one without a checkpoint where that takes too long. Ends with the server. */
async function stopServer(child: ChildProcess, ended: Promise<void>): Promise<void> {
  if (child.pid === undefined) return
  child.kill('SIGINT')
  const timer = setTimeout(() => child.kill('SIGQUIT'), STOP_WAIT_MS)
  await ended
  clearTimeout(timer)
}

/** A port that is free now. Postgres cannot say which one it took for port 0. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}
