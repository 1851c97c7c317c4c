import { type Clock, Histogram, type Metrics } from '@signalbox/host'
import { type Head, type Heartbeat, type RevisionMessage } from '@signalbox/model'

/** Revisions of which it is remembered how they spread. */
const REVISIONS_KEPT = 256
/** Proxies whose last word is remembered: those that spoke last. */
const PROXIES_MAX = 50_000
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

/** How one revision spread over the proxies that were there. */
export interface Spread {
  readonly revision: number
  /** RFC 3339. */
  readonly committedAt: string
  /** Proxies whose time is known: those that were there before and have said that they serve it. */
  readonly measured: number
  /** From the commit to the proxy's word, by the clocks of the control plane; null: none yet. */
  readonly p50Ms: number | null
  readonly p99Ms: number | null
}

export interface Spreads {
  /** A revision came by on the bus. */
  revision(message: RevisionMessage): void
  /** A member said what it serves. */
  heartbeat(heartbeat: Heartbeat): void
  /** Null where the revision is not remembered: too old, of before the start, or of another log. */
  of(at: Pick<Head, 'lineage' | 'epoch' | 'revision'>): Spread | null
}

interface Kept {
  readonly revision: number
  readonly atMs: number
  readonly elapsedMs: number[]
}

/**
 * How long each revision takes from its commit to every proxy. Only what this process saw itself:
 * proxies that came later, from a snapshot, were not waited for and are not counted.
 */
export function createSpreads({
  clock,
  metrics,
}: {
  readonly clock: Clock
  readonly metrics: Metrics
}): Spreads {
  const kept = new Map<number, Kept>()
  const received = new Map<string, number>()
  /** Lineage and epoch: with either all numbers begin to mean something else. */
  let log = ''
  const seconds = new Histogram({
    name: 'signalbox_convergence_seconds',
    help: 'From the commit of a revision until a proxy serves it',
    buckets: SECONDS,
    registers: [metrics],
  })
  const ofLog = (of: string) => {
    if (of === log) return
    log = of
    kept.clear()
    received.clear()
  }
  return {
    revision: ({ lineage, epoch, revision, body }) => {
      ofLog(nameOf({ lineage, epoch }))
      const atMs = committedAtMs(body)
      if (atMs === null || kept.has(revision)) return
      kept.set(revision, { revision, atMs, elapsedMs: [] })
      const [oldest] = kept.keys()
      if (kept.size > REVISIONS_KEPT && oldest !== undefined) kept.delete(oldest)
    },
    heartbeat: ({ id, role, lineage, epoch, received: now }) => {
      const of = nameOf({ lineage, epoch })
      // Before the first revision of this process: members know the log already.
      if (log === '') ofLog(of)
      if (role !== 'proxy' || of !== log) return
      const before = received.get(id)
      // Anew, so that the first of the map is who has been silent for longest.
      received.delete(id)
      received.set(id, now)
      const [silent] = received.keys()
      if (received.size > PROXIES_MAX && silent !== undefined) received.delete(silent)
      // Of who is new it is not known when it came so far.
      if (before === undefined || now <= before) return
      for (let revision = Math.max(before + 1, now - REVISIONS_KEPT); revision <= now; revision++) {
        const one = kept.get(revision)
        if (!one) continue
        const elapsedMs = Math.max(0, clock.nowMs() - one.atMs)
        one.elapsedMs.push(elapsedMs)
        seconds.observe(elapsedMs / 1_000)
      }
    },
    of: ({ lineage, epoch, revision }) => {
      const one = nameOf({ lineage, epoch }) === log ? kept.get(revision) : undefined
      if (!one) return null
      const sorted = one.elapsedMs.toSorted((a, b) => a - b)
      return {
        revision,
        committedAt: new Date(one.atMs).toISOString(),
        measured: sorted.length,
        p50Ms: percentile(sorted, 0.5),
        p99Ms: percentile(sorted, 0.99),
      }
    },
  }
}

function nameOf({ lineage, epoch }: Pick<Head, 'lineage' | 'epoch'>): string {
  return `${lineage} ${epoch}`
}

/** The nearest rank: a time that somebody really took. */
function percentile(sorted: readonly number[], share: number): number | null {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? null
}

/** The member `at` of a body, which may have megabytes: found in its text, not parsed. */
function committedAtMs(body: string): number | null {
  const at = /"at":"([^"]{1,40})"/.exec(body)?.[1]
  const ms = at === undefined ? NaN : Date.parse(at)
  return Number.isFinite(ms) ? ms : null
}
