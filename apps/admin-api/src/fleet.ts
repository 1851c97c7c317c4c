import { type Clock } from '@signalbox/host'
import { type Head, type Heartbeat } from '@signalbox/model'
import { createWaits } from './waits.ts'

/** Not heard of for so long: offline, listed but not waited for. */
export const OFFLINE_MS = 45_000
/** What is overtaken on its way comes so late at most; an older time is that of another clock. */
const LATE_MS_MAX = 10_000
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
  /**
   * Answers when every live proxy has applied or refused the revision, or after the time. While no
   * proxy is live it waits: nobody is not everybody.
   */
  converged(head: LogEnd, withinMs: number): Promise<Convergence>
  /** Who has applied or refused it as of now. */
  standing(head: LogEnd): Convergence
  /** Ends what waits in converged(). */
  end(): void
  onChange(listener: (heartbeat: Heartbeat) => void): () => void
}

const LAGGARDS_MAX = 20

/** A revision of one log; the same number in another lineage or epoch is another change. */
export type LogEnd = Pick<Head, 'lineage' | 'epoch' | 'revision'>

/**
 * What of this log a member has: what it uses, and what a release holds back from it for now.
 */
export function appliedOf({ lineage, epoch, received }: Heartbeat, head: LogEnd): number {
  if (lineage !== head.lineage) return 0
  // Of an earlier epoch: it may have numbers that mean something else by now.
  return epoch < head.epoch ? Math.min(received, head.revision - 1) : received
}

/** Who is there and what they run, from their heartbeats alone. */
export function createFleet(clock: Clock): Fleet {
  const seen = new Map<string, { heartbeat: Heartbeat; atMs: number }>()
  const listeners = new Set<(heartbeat: Heartbeat) => void>()
  const waits = createWaits(clock)
  const isLive = (atMs: number) => clock.monotonicMs() - atMs < OFFLINE_MS
  const forget = () => {
    for (const [id, { atMs }] of seen) {
      if (clock.monotonicMs() - atMs > FORGOTTEN_MS) seen.delete(id)
    }
  }

  const count = (head: LogEnd, startMs: number): Convergence => {
    const proxies = [...seen.values()].filter(
      ({ heartbeat, atMs }) =>
        heartbeat.role === 'proxy' && isLive(atMs) && heartbeat.state !== 'draining',
    )
    const nacks = proxies.filter(({ heartbeat }) => refuses(heartbeat, head))
    const acked = proxies.filter(
      (p) => appliedOf(p.heartbeat, head) >= head.revision && !nacks.includes(p),
    )
    const laggards = proxies.filter((p) => !acked.includes(p)).slice(0, LAGGARDS_MAX)
    return {
      acked: acked.length,
      nacked: nacks.length,
      pending: proxies.length - acked.length - nacks.length,
      elapsedMs: Math.round(clock.monotonicMs() - startMs),
      laggards: laggards.map(({ heartbeat }) => ({
        id: heartbeat.id,
        reason: reasonOf(heartbeat, head),
      })),
    }
  }

  return {
    hear: (heartbeat) => {
      const { id, sentAtMs } = heartbeat
      const before = seen.get(id)
      // Late ones are dropped; a member whose clock was set back is heard at once.
      const lateMs = before && isLive(before.atMs) ? before.heartbeat.sentAtMs - sentAtMs : 0
      if (lateMs > 0 && lateMs <= LATE_MS_MAX) return
      if (!before && seen.size >= MEMBERS_MAX) forget()
      if (!before && seen.size >= MEMBERS_MAX) return
      seen.set(id, { heartbeat, atMs: clock.monotonicMs() })
      waits.look()
      for (const listener of [...listeners]) listener(heartbeat)
    },
    members: () => {
      forget()
      return [...seen.values()].map(({ heartbeat, atMs }) => ({
        heartbeat,
        live: isLive(atMs),
        seenAtMs: clock.nowMs() - (clock.monotonicMs() - atMs),
      }))
    },
    converged: async (head, withinMs) => {
      const startMs = clock.monotonicMs()
      await waits.until(() => {
        const { pending, acked, nacked } = count(head, startMs)
        return pending === 0 && acked + nacked > 0
      }, withinMs)
      return count(head, startMs)
    },
    standing: (head) => count(head, clock.monotonicMs()),
    end: () => waits.end(),
    onChange: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

function refuses({ lineage, epoch, nacks }: Heartbeat, head: LogEnd): boolean {
  return (
    lineage === head.lineage &&
    epoch >= head.epoch &&
    nacks.some((nack) => nack.revision === head.revision)
  )
}

function reasonOf(heartbeat: Heartbeat, head: LogEnd): string {
  const nack = heartbeat.nacks.find((one) => one.revision === head.revision)
  return nack && refuses(heartbeat, head)
    ? `refused ${nack.resource} ${nack.id}: ${nack.message}`
    : `${heartbeat.state} at ${heartbeat.received}`
}
