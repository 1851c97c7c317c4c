import { type Cancel, type Clock, type Log } from '@signalbox/host'
import pg from 'pg'
import { ANSWER_TIMEOUT_MS, CONNECT_TIMEOUT_MS } from './database.ts'

const CHANNEL = 'signalbox_revision'
const RECONNECT_MIN_MS = 250
const RECONNECT_MAX_MS = 8_000
/** How soon the system starts to ask whether a silent server is still there. */
const KEEP_ALIVE_MS = 10_000

export interface ListenOptions {
  readonly url: string
  readonly fleet: string
  readonly clock: Clock
  readonly log: Log
  readonly onAppend: () => void
}

/**
 * Hears that another instance appended. A hint only: what is missed while the connection is lost is
 * found by polling. Connects again for ever, and wakes the listener each time it did. Answers how
 * to stop.
 */
export function listenForAppends(options: ListenOptions): () => Promise<void> {
  const { fleet, clock, log, onAppend } = options
  let client: pg.Client
  let connecting: Promise<void>
  let cancelRetry: Cancel = () => {}
  let failures = 0
  let stopped = false

  const connect = async () => {
    client = newClient(options.url)
    const lost = once(() => {
      client.end().catch(() => {})
      if (stopped) return
      const delayMs = Math.min(RECONNECT_MIN_MS * 2 ** failures++, RECONNECT_MAX_MS)
      cancelRetry = clock.after(delayMs, () => (connecting = connect()))
    })
    client.on('error', lost)
    client.on('end', lost)
    client.on('notification', ({ payload }) => {
      if (payload?.startsWith(`${fleet}:`)) onAppend()
    })
    try {
      await client.connect()
      await client.query(`LISTEN ${CHANNEL}`)
      failures = 0
      onAppend()
    } catch (error) {
      log.debug({ cause: error instanceof Error ? error.message : 'unknown' }, 'cannot listen yet')
      lost()
    }
  }
  connecting = connect()

  return async () => {
    stopped = true
    cancelRetry()
    await connecting
    await client.end().catch(() => {})
  }
}

function newClient(url: string): pg.Client {
  return new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    application_name: 'signalbox-listen',
  })
}

function once(run: () => void): () => void {
  let done = false
  return () => {
    if (done) return
    done = true
    run()
  }
}
