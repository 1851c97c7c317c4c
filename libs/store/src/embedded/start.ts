import { resolve, join } from 'node:path'
import { ConfigError } from '@signalbox/host'
import pg from 'pg'
import { CONNECT_TIMEOUT_MS, unavailable } from '../database.ts'
import { locateBinaries } from './binaries.ts'
import { initCluster, placeCluster } from './cluster.ts'
import { stopOrphan } from './orphan.ts'
import { startServer } from './server.ts'

export interface EmbeddedPostgresOptions {
  /** Made where it is missing; the cluster is found here again on the next start. */
  readonly dataDir: string
  /** Of the database user `signalbox`; the same on every start of one cluster. */
  readonly password: string
  /** A free one where it is not said. */
  readonly port?: number
  /** For tests: nothing is synced to disk, so it is fast and survives no crash. */
  readonly ephemeral?: boolean
}

export interface EmbeddedPostgres {
  readonly url: string
  readonly pid: number
  /** Settles when the server has ended, however it did. */
  readonly ended: Promise<void>
  /** Ends sessions, writes all down and waits for the server's end. */
  stop(): Promise<void>
}

const INVALID_PASSWORD = '28P01'

/**
 * Starts a private Postgres from the binaries of an npm package, as root (then under a user without
 * rights) or not. It listens on loopback only, without a Unix socket, for one user with a password.
 * Takes over a cluster that a killed process left behind. Throws ConfigError where it cannot start.
 */
export async function startEmbeddedPostgres({
  dataDir,
  password,
  port,
  ephemeral = false,
}: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { folder, user } = placeCluster(resolve(dataDir))
  const bin = join(locateBinaries(user), 'bin')
  await stopOrphan(folder)
  const initdb = join(bin, 'initdb')
  await initCluster({ folder, user, initdb, password, sync: !ephemeral })
  const file = join(bin, 'postgres')
  const server = await startServer({ file, folder, user, port, ephemeral })
  const secret = encodeURIComponent(password)
  const url = `postgresql://signalbox:${secret}@127.0.0.1:${server.port}/postgres`
  try {
    await proveConnection(url, folder)
  } catch (error) {
    await server.stop()
    throw error
  }
  return { url, pid: server.pid, ended: server.ended, stop: server.stop }
}

async function proveConnection(url: string, folder: string): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  })
  client.on('error', () => {})
  try {
    await client.connect()
  } catch (error) {
    if ((error as { code?: unknown }).code !== INVALID_PASSWORD) throw unavailable(error)
    throw new ConfigError(
      `the database in ${folder} was made with another password; restore it, or name another place`,
    )
  } finally {
    await client.end().catch(() => {})
  }
}
