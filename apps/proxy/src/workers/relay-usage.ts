import { type Clock, Counter, type Metrics } from '@signalbox/host'
import { type Usage } from '../usage.ts'
import { type Lines, WaitingLines } from '../waiting-lines.ts'

const RELAY_MS = 250

/**
 * A worker's records go to its parent, which has the spool and the bus. What the parent does not
 * take waits, up to a bound; what is over that is counted and left out.
 */
export function relayUsage(clock: Clock, metrics: Metrics, post: (lines: Lines) => boolean): Usage {
  const dropped = new Counter({
    name: 'signalbox_usage_dropped_total',
    help: 'Records that a bound left out',
    registers: [metrics],
  })
  const waiting = new WaitingLines()
  const relay = () => {
    for (let lines = waiting.first(); lines && post(lines); lines = waiting.first()) waiting.shift()
  }
  const cancel = clock.every(RELAY_MS, relay)
  return {
    add: (record) => {
      if (!waiting.add(record)) dropped.inc()
    },
    stop: () => {
      cancel()
      relay()
      return Promise.resolve()
    },
  }
}
