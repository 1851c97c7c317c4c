import { type Bus } from '@signalbox/bus'
import { type Clock } from '@signalbox/host'
import { OBSERVER_FRESH_MS } from '@signalbox/routing'

export interface Peers {
  /** All probes that are there, this one included, in order. */
  members(): readonly string[]
  /** Says goodbye, so that the others take over at once. */
  leave(): void
}

export interface PeersOptions {
  readonly bus: Bus
  readonly clock: Clock
  readonly id: string
  /** Somebody has come or gone. */
  readonly onChange: () => void
}

/** How often a probe says that it is there. */
export const PRESENCE_MS = 10_000
/** More probes than a fleet has; of more, those that were heard first count. */
const PEERS_MAX = 63

/*
 * Who is there, from what all say on the status subject: a table is a sign of life, and where there
 * is nothing to tell an empty one is sent. Who is not heard for two and a half signs is gone. Two
 * that meet answer each other at once, so that a probe that starts knows its share after one turn.
 * For a moment two probes may have different lists: then a backend has an observer too many, or the
 * one that it had for RELEASE_MS more (watches.ts), and never none.
 */
export function createPeers({ bus, clock, id, onChange }: PeersOptions): Peers {
  const heardMs = new Map<string, number>()
  const speak = () => bus.sendStatus({ observer: id, statuses: [] })
  const ends = [
    bus.onStatus(({ observer, leaving }) => {
      if (observer === id) return
      if (leaving) {
        if (heardMs.delete(observer)) onChange()
        return
      }
      const isNew = !heardMs.has(observer)
      if (isNew && heardMs.size >= PEERS_MAX) return
      heardMs.set(observer, clock.monotonicMs())
      if (!isNew) return
      speak()
      onChange()
    }),
    bus.onConnection((connected) => connected && speak()),
    clock.every(PRESENCE_MS, () => {
      speak()
      // While nobody can be heard, nobody's silence says anything.
      if (bus.connected()) forget()
    }),
  ]
  const forget = () => {
    const gone = [...heardMs].filter(([, ms]) => clock.monotonicMs() - ms >= OBSERVER_FRESH_MS)
    for (const [peer] of gone) heardMs.delete(peer)
    if (gone.length > 0) onChange()
  }
  speak()
  return {
    members: () => [id, ...heardMs.keys()].toSorted(),
    leave: () => {
      for (const end of ends) end()
      bus.sendStatus({ observer: id, statuses: [], leaving: true })
    },
  }
}
