import { type Clock, Counter, type Metrics } from '@signalbox/host'
import { type RequestRecord } from '@signalbox/model'
import { type Usage, WAITING_MAX } from '../usage.ts'

const RELAY_MS = 250
/** In one message. */
const RECORDS_MAX = 1_000

/**
 * A worker's records go to its parent, which has the spool and the bus. What the parent does not
 * take waits, up to a bound; what is over that is counted and left out.
 */
export function relayUsage(
  clock: Clock,
  metrics: Metrics,
  post: (records: readonly RequestRecord[]) => boolean,
): Usage {
  const dropped = new Counter({
    name: 'signalbox_usage_dropped_total',
    help: 'Records that a bound left out',
    registers: [metrics],
  })
  const waiting: RequestRecord[] = []
  const relay = () => {
    while (waiting.length > 0 && post(waiting.slice(0, RECORDS_MAX))) {
      waiting.splice(0, RECORDS_MAX)
    }
  }
  const cancel = clock.every(RELAY_MS, relay)
  return {
    add: (record) => {
      if (waiting.length < WAITING_MAX) waiting.push(record)
      else dropped.inc()
    },
    stop: () => {
      cancel()
      relay()
      return Promise.resolve()
    },
  }
}
