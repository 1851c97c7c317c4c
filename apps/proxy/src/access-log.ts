import { type Clock, type Log } from '@signalbox/host'

/** What is known of a request when it is over. No header, no prompt, no answer. */
export interface AccessEntry {
  readonly method: string
  readonly path: string
  readonly status: number
  readonly code: string | null
  readonly requestId: string
  readonly revision: number | null
  /** The client key's id. */
  readonly key: string | null
  readonly model: string | null
  /** The fallback route that took the request, if one did. */
  readonly fallback: string | null
  /** hit, miss, coalesced, bypass; null where its policy keeps no answers. */
  readonly cache: string | null
  readonly backend: string | null
  readonly attempts: number
  /** How each of them ended: `backend outcome`. */
  readonly outcomes: readonly string[]
  readonly durationMs: number
  readonly firstByteMs: number | null
  readonly bytesOut: number
}

export interface AccessLog {
  add(entry: AccessEntry): void
  stop(): void
}

export const FLUSH_MS = 200
/** Entries that wait at most; what is over it is counted and left out. */
export const WAITING_MAX = 10_000

/** Writes one line a request, off the request's path. */
export function createAccessLog(clock: Clock, log: Log): AccessLog {
  let waiting: AccessEntry[] = []
  let dropped = 0
  const flush = () => {
    const batch = waiting
    waiting = []
    for (const entry of batch) log.info({ ...entry }, 'request')
    if (dropped > 0) log.warn({ dropped }, 'access log entries were dropped')
    dropped = 0
  }
  const stopFlushing = clock.every(FLUSH_MS, flush)
  return {
    add: (entry) => {
      if (waiting.length >= WAITING_MAX) dropped++
      else waiting.push(entry)
    },
    stop: () => {
      stopFlushing()
      flush()
    },
  }
}
