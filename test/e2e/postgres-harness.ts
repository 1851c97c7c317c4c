// A Postgres that a test may freeze and kill: the one of the test run is everybody's.
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '@signalbox/store'
import pg from 'pg'

export interface OwnPostgres {
  /** The same over restarts. */
  readonly url: string
  /** SIGSTOP for all of its processes: connections stay, and nobody answers. */
  freeze(): Promise<void>
  thaw(): void
  /** SIGKILL; its data stay. */
  kill(): Promise<void>
  /** On the same port, after kill(). */
  restart(): Promise<void>
  /** Ends it, frozen or not, and removes its data. */
  stop(): Promise<void>
}

export async function startOwnPostgres(): Promise<OwnPostgres> {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-e2e-postgres-'))
  // The server runs as another user where this is root: it may pass, not list.
  chmodSync(folder, 0o711)
  const password = randomBytes(16).toString('hex')
  const options = { dataDir: join(folder, 'data'), password }
  let server = await startEmbeddedPostgres(options)
  const { url } = server
  let frozen: readonly number[] = []
  const thaw = () => {
    for (const pid of frozen) signal(pid, 'SIGCONT')
    frozen = []
  }
  return {
    url,
    freeze: async () => {
      const client = new pg.Client(url)
      client.on('error', () => {})
      await client.connect()
      // The postmaster first: from then on there are no new processes.
      frozen = [server.pid]
      signal(server.pid, 'SIGSTOP')
      const { rows } = await client.query<{ pid: number }>('SELECT pid FROM pg_stat_activity')
      frozen = [server.pid, ...rows.map(({ pid }) => pid)]
      for (const pid of frozen) signal(pid, 'SIGSTOP')
      // Ends when it is thawed.
      client.end().catch(() => {})
    },
    thaw,
    kill: async () => {
      signal(server.pid, 'SIGKILL')
      await server.ended
    },
    restart: async () => {
      server = await startEmbeddedPostgres({ ...options, port: Number(new URL(url).port) })
    },
    stop: async () => {
      thaw()
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A process that is gone needs none. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
