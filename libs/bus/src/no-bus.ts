import { type Clock } from '@signalbox/host'
import { type Bus } from './bus.ts'
import { createHub } from './in-process/hub.ts'

/** For a member without a network: it never connects, and says so. */
export function noBus(clock: Clock): Bus {
  const bus = createHub({ clock }).connect()
  bus.setConnected(false)
  return Object.assign(bus, { absent: true as const })
}
