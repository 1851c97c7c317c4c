import { type Server } from 'node:http'
import { type Clock } from '@signalbox/host'
import { type Bag } from './bag.ts'
import { type ProxyConfig } from './config.ts'
import { internal } from './failures.ts'
import { type Abortable } from './realtime/realtime.ts'

const IDLE_POLL_MS = 50
/** For the error events to leave. */
const BREAK_OFF_MS = 200

export interface Draining {
  readonly config: Pick<ProxyConfig, 'drainNoticeMs' | 'drainDeadlineMs'>
  readonly clock: Clock
  readonly servers: readonly Server[]
  readonly exchanges: Bag<Abortable>
  /** Whether any request is not yet answered to its last byte. */
  readonly busy: () => boolean
}

/**
 * Readiness is off already. Goes on accepting while balancers notice, then stops accepting, lets
 * what runs finish until the deadline, and ends the rest with an error event.
 */
export async function drain(draining: Draining): Promise<void> {
  const { config, clock, servers, exchanges } = draining
  await wait(clock, config.drainNoticeMs)
  const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)))
  await idle(draining, config.drainDeadlineMs)
  for (const exchange of exchanges.all())
    exchange.abort(internal('draining', 'the proxy shuts down'))
  await idle(draining, BREAK_OFF_MS)
  for (const server of servers) server.closeAllConnections()
  await Promise.all(closed)
}

/** Until nothing is under way, or the time is over. */
async function idle({ clock, busy }: Draining, withinMs: number): Promise<void> {
  const endMs = clock.monotonicMs() + withinMs
  while (busy() && clock.monotonicMs() < endMs) await wait(clock, IDLE_POLL_MS)
}

function wait(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve))
}
