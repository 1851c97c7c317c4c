import { type ChildProcess, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { ConfigError } from '@signalbox/host'
import { locateBinaries, runAs, type RunAs } from './binaries.ts'
import { clusterFolder, initCluster, lastLine, stopOrphan } from './cluster.ts'

export interface EmbeddedPostgresOptions {
  /** Made where it is missing; the cluster is found here again on the next start. */
  readonly dataDir: string
  /** Of the database user `signalbox`; the same on every start of one cluster. */
  readonly password: string
  /** For tests: nothing is synced to disk, so it is fast and survives no crash. */
  readonly ephemeral?: boolean
}

export interface EmbeddedPostgres {
  readonly url: string
  readonly pid: number
  /** Settles when the server has ended, however it did. */
  readonly ended: Promise<void>
  stop(): Promise<void>
}

const READY = 'database system is ready to accept connections'
const LOG_CHARS_MAX = 16_384

/**
 * Starts a private Postgres from the binaries of an npm package, as root or not. It listens on
 * loopback only, on a free port, with a password. Throws ConfigError where it cannot start.
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const { dataDir, password, ephemeral = false } = options
  const user = runAs()
  const bin = join(locateBinaries(user), 'bin')
  const folder = clusterFolder(dataDir, user)
  await stopOrphan(folder)
  initCluster(folder, { bin, user, password, sync: !ephemeral })
  const port = await freePort()
  const child = spawnServer(join(bin, 'postgres'), { folder, port, user, ephemeral })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  await untilReady(child)
  return {
    url: `postgresql://signalbox:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`,
    pid: child.pid ?? 0,
    ended,
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGINT')
      await ended
    },
  }
}

interface ServerOptions {
  readonly folder: string
  readonly port: number
  readonly user: RunAs
  readonly ephemeral: boolean
}

function spawnServer(file: string, { folder, port, user, ephemeral }: ServerOptions): ChildProcess {
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    `port=${port}`,
    ...(ephemeral ? ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off'] : []),
  ]
  const args = ['-D', folder, ...settings.flatMap((setting) => ['-c', setting])]
  // Its own process group: a terminal's Ctrl-C must not stop it before the drain has.
  return spawn(file, args, {
    ...user,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  })
}

function untilReady(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let log = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-LOG_CHARS_MAX)
      if (log.includes(READY)) resolve()
    })
    child.once('error', (error) =>
      reject(new ConfigError(`the database cannot start: ${error.message}`)),
    )
    child.once('exit', () =>
      reject(new ConfigError(`the database did not start: ${lastLine(log)}`)),
    )
  })
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
