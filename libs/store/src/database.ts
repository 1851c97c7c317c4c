import pg from 'pg'
import { DatabaseUnavailable } from './store.ts'

export const CONNECT_TIMEOUT_MS = 2_000
export const STATEMENT_TIMEOUT_MS = 5_000
export const CONNECTIONS_MAX = 10

/** SQLSTATE classes and Node codes that say "not now", as against "not like that". */
const NOT_NOW = /^(08|53|57P|57014|55P03|25P03)/
const NOT_REACHED = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
])
const SAID_BY_DRIVER =
  /timeout|terminated|Connection ended|not queryable|closed|cannot connect|ECONNREFUSED/i

/**
 * DatabaseUnavailable where the error says that Postgres cannot answer now; else the error itself.
 */
export function unavailable(error: unknown): unknown {
  if (error instanceof DatabaseUnavailable || !isErrorLike(error)) return error
  const code = String(error.code ?? '')
  const isIt = NOT_NOW.test(code) || NOT_REACHED.has(code) || saidByDriver(error, code)
  return isIt
    ? new DatabaseUnavailable(`the database does not answer (${code || error.message})`)
    : error
}

/** By shape: an error of another realm (a VM context) is no instance of this one's Error. */
function isErrorLike(error: unknown): error is { message: string; code?: unknown } {
  return typeof (error as { message?: unknown } | null)?.message === 'string'
}

function saidByDriver(error: { message: string }, code: string): boolean {
  return code === '' && SAID_BY_DRIVER.test(error.message)
}

/** A pool whose every wait has an end. Idle connections that break never end the process. */
export function openPool(url: string): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: CONNECTIONS_MAX,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: STATEMENT_TIMEOUT_MS + CONNECT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: 2 * STATEMENT_TIMEOUT_MS,
    application_name: 'signalbox',
  })
  pool.on('error', () => {})
  return pool
}

/** Runs reads that must see one state. */
export async function inReadTransaction<Value>(
  pool: pg.Pool,
  read: (client: pg.PoolClient) => Promise<Value>,
): Promise<Value> {
  return withClient(pool, async (client) => {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    const value = await read(client)
    await client.query('COMMIT')
    return value
  })
}

/** One connection for a while; a connection on which anything failed is not used again. */
export async function withClient<Value>(
  pool: pg.Pool,
  use: (client: pg.PoolClient) => Promise<Value>,
): Promise<Value> {
  let client: pg.PoolClient | undefined
  const onError = () => {}
  try {
    client = await pool.connect()
    client.on('error', onError)
    const value = await use(client)
    client.off('error', onError)
    client.release()
    return value
  } catch (error) {
    client?.release(true)
    throw unavailable(error)
  }
}
