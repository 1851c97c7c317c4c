import { type Cancel, type Clock, type Log } from '@signalbox/host'
import pg from 'pg'
import { CONNECT_TIMEOUT_MS } from './database.ts'

const CHANNEL = 'signalbox_revision'
const RECONNECT_MS = 1_000

export interface ListenOptions {
  readonly url: string
  readonly fleet: string
  readonly clock: Clock
  readonly log: Log
  readonly onAppend: () => void
}

/**
 * Hears that another instance appended. A hint only: what is missed while the connection is lost is
 * found by polling. Connects again for ever, and wakes the listener each time it did.
 */
export function listenForAppends(options: ListenOptions): () => Promise<void> {
  const { url, fleet, clock, log, onAppend } = options
  let client: pg.Client | null = null
  let cancelRetry: Cancel = () => {}
  let stopped = false

  const connect = async () => {
    const fresh = new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      application_name: 'signalbox-listen',
    })
    client = fresh
    let lost = false
    const onLost = () => {
      if (lost) return
      lost = true
      fresh.end().catch(() => {})
      if (!stopped) cancelRetry = clock.after(RECONNECT_MS, () => void connect())
    }
    fresh.on('error', onLost)
    fresh.on('end', onLost)
    fresh.on('notification', ({ payload }) => {
      if (payload?.startsWith(`${fleet}:`)) onAppend()
    })
    try {
      await fresh.connect()
      await fresh.query(`LISTEN ${CHANNEL}`)
      onAppend()
    } catch (error) {
      log.debug({ cause: error instanceof Error ? error.message : 'unknown' }, 'cannot listen yet')
      onLost()
    }
  }
  const first = connect()

  return async () => {
    stopped = true
    cancelRetry()
    await first
    await client?.end().catch(() => {})
  }
}
