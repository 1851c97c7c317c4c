import pg from 'pg'
import { DatabaseUnavailable } from './store.ts'

export const CONNECT_TIMEOUT_MS = 2_000
export const STATEMENT_TIMEOUT_MS = 5_000
/** Where the server went silent, its own time-out does not help: the client gives up by itself. */
export const ANSWER_TIMEOUT_MS = STATEMENT_TIMEOUT_MS + CONNECT_TIMEOUT_MS
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 10_000
const CONNECTIONS_MAX = 10

/**
 * What says "not now", as against "not like that": connection lost or refused (08), no resources
 * (53), shut down, starting or terminated (57P), a time-out (57014, 55P03, 25P03, 25P04), and a
 * server that was made a standby (25006).
 */
const NOT_NOW = /^(08|53|57P|57014$|55P03$|25P03$|25P04$|25006$)/
const NOT_REACHED = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
])
/** `pg` and its pool have no codes for these. */
const SAID_BY_DRIVER = new RegExp(
  '^(Connection terminated|timeout expired|timeout exceeded when trying to connect' +
    '|Query read timeout|Client (was closed|has encountered a connection error)' +
    '|Cannot use a pool after calling end|There was an error establishing an SSL connection)',
)

/**
 * DatabaseUnavailable where the error says that Postgres cannot answer now; else the error itself.
 */
export function unavailable(error: unknown): unknown {
  if (error instanceof DatabaseUnavailable || !isErrorLike(error)) return error
  const code = typeof error.code === 'string' ? error.code : ''
  const known = code === '' ? SAID_BY_DRIVER.test(error.message) : isNotNow(code)
  if (!known) return error
  return new DatabaseUnavailable(`the database does not answer (${code || error.message})`, {
    cause: error,
  })
}

/** Whether a code, Node's or an SQLSTATE, says "not now". */
export function isNotNow(code: string): boolean {
  return NOT_NOW.test(code) || NOT_REACHED.has(code)
}

/** By shape: an error of another realm (a VM context) is no instance of this one's Error. */
function isErrorLike(error: unknown): error is { message: string; code?: unknown } {
  return typeof (error as { message?: unknown } | null)?.message === 'string'
}

/** A pool whose every wait has an end. Idle connections that break never end the process. */
export function openPool(url: string, connectionsMax = CONNECTIONS_MAX): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: connectionsMax,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    application_name: 'signalbox',
  })
  pool.on('error', () => {})
  return pool
}

/**
 * Reads are short, or read everything in pages: to compile them, or to spread them over cores that
 * others use, costs more than it saves.
 */
const BEGIN_READ = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
  SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0`

/** Runs reads that must see one state. */
export async function inReadTransaction<Value>(
  pool: pg.Pool,
  read: (client: pg.PoolClient) => Promise<Value>,
): Promise<Value> {
  return withClient(pool, async (client) => {
    await client.query(BEGIN_READ)
    const value = await read(client)
    await client.query('COMMIT')
    return value
  })
}

const ignore = () => {}

/** One connection for a while; a connection on which anything failed is not used again. */
export async function withClient<Value>(
  pool: pg.Pool,
  use: (client: pg.PoolClient) => Promise<Value>,
): Promise<Value> {
  let client: pg.PoolClient | undefined
  try {
    client = await pool.connect()
    // A connection that is lost between two queries is found out by the next one.
    client.on('error', ignore)
    const value = await use(client)
    client.off('error', ignore)
    client.release()
    return value
  } catch (error) {
    client?.release(true)
    throw unavailable(error)
  }
}
