import { type Clock } from '@signalbox/host'
import { type Heartbeat } from '@signalbox/model'

/** Not heard of for so long: offline, listed but not waited for. */
export const OFFLINE_MS = 45_000
/** Offline members are forgotten after this. */
const FORGOTTEN_MS = 86_400_000
const MEMBERS_MAX = 50_000

export interface Member {
  readonly heartbeat: Heartbeat
  readonly seenAtMs: number
  readonly live: boolean
}

export interface Convergence {
  readonly acked: number
  readonly pending: number
  readonly nacked: number
  readonly elapsedMs: number
  /** Proxies that have not applied it, with what is known of why. */
  readonly laggards: readonly { readonly id: string; readonly reason: string }[]
}

export interface Fleet {
  hear(heartbeat: Heartbeat): void
  members(): readonly Member[]
  /** Answers when every live proxy has applied the revision, or after the time. */
  converged(revision: number, withinMs: number): Promise<Convergence>
  onChange(listener: (heartbeat: Heartbeat) => void): () => void
}

const LAGGARDS_MAX = 20

/** Who is there and what they run, from their heartbeats alone. */
export function createFleet(clock: Clock): Fleet {
  const seen = new Map<string, { heartbeat: Heartbeat; atMs: number }>()
  const listeners = new Set<(heartbeat: Heartbeat) => void>()
  const isLive = (atMs: number) => clock.monotonicMs() - atMs < OFFLINE_MS

  const count = (revision: number, startMs: number): Convergence => {
    const proxies = [...seen.values()].filter(
      ({ heartbeat, atMs }) =>
        heartbeat.role === 'proxy' && isLive(atMs) && heartbeat.state !== 'draining',
    )
    const nacks = proxies.filter(({ heartbeat }) => refuses(heartbeat, revision))
    const acked = proxies.filter((p) => p.heartbeat.active >= revision && !nacks.includes(p))
    const laggards = proxies.filter((p) => !acked.includes(p)).slice(0, LAGGARDS_MAX)
    return {
      acked: acked.length,
      nacked: nacks.length,
      pending: proxies.length - acked.length - nacks.length,
      elapsedMs: Math.round(clock.monotonicMs() - startMs),
      laggards: laggards.map(({ heartbeat }) => ({
        id: heartbeat.id,
        reason: reasonOf(heartbeat, revision),
      })),
    }
  }

  return {
    hear: (heartbeat) => {
      const before = seen.get(heartbeat.id)
      if (before && before.heartbeat.sentAtMs > heartbeat.sentAtMs) return
      if (!before && seen.size >= MEMBERS_MAX) return
      seen.set(heartbeat.id, { heartbeat, atMs: clock.monotonicMs() })
      for (const listener of [...listeners]) listener(heartbeat)
    },
    members: () => {
      for (const [id, { atMs }] of seen) {
        if (clock.monotonicMs() - atMs > FORGOTTEN_MS) seen.delete(id)
      }
      return [...seen.values()].map(({ heartbeat, atMs }) => ({
        heartbeat,
        live: isLive(atMs),
        seenAtMs: clock.nowMs() - (clock.monotonicMs() - atMs),
      }))
    },
    converged: (revision, withinMs) => {
      const startMs = clock.monotonicMs()
      return new Promise((resolve) => {
        const finish = () => {
          cancel()
          listeners.delete(look)
          resolve(count(revision, startMs))
        }
        const look = () => {
          const { pending, acked } = count(revision, startMs)
          if (pending === 0 && acked > 0) finish()
        }
        const cancel = clock.after(withinMs, finish)
        listeners.add(look)
        look()
      })
    },
    onChange: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

function refuses({ nacks }: Heartbeat, revision: number): boolean {
  return nacks.some((nack) => nack.revision === revision)
}

function reasonOf(heartbeat: Heartbeat, revision: number): string {
  const nack = heartbeat.nacks.find((one) => one.revision === revision)
  return nack
    ? `refused ${nack.resource} ${nack.id}: ${nack.message}`
    : `${heartbeat.state} at ${heartbeat.active}`
}
