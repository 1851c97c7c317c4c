import { type Cancel, type Clock } from '@signalbox/host'
import { type Status, type StatusTable } from '@signalbox/model'
import { LOOK_MS, StatusBook } from '@signalbox/routing'
import { createWaits } from './waits.ts'

/** What one probe last said of a backend. */
export interface Observed {
  readonly status: Status
  /** Whether it counts: the probe is heard, and repeats it. */
  readonly fresh: boolean
}

export interface Statuses {
  hear(table: StatusTable): void
  of(backend: string): Status | undefined
  /** Backends whose probes found one of these models there. */
  serving(models: ReadonlySet<string>): readonly string[]
  /** What its probes say, each for itself. */
  observations(backend: string): readonly Observed[]
  keepOnly(exists: (backend: string) => boolean): void
  /** Settles when a status of the backend at this revision has come, or after the time. */
  seen(backend: string, revision: number, withinMs: number): Promise<void>
  /** Ends what waits in seen(). */
  end(): void
  onChange(listener: (status: Status, before: Status | undefined) => void): () => void
}

/** The status of each backend, as every proxy makes it out of what the probes say. */
export function createStatuses(clock: Clock): Statuses {
  const book = new StatusBook()
  const newest = new Map<string, Status>()
  const waits = createWaits(clock)
  const listeners = new Set<(status: Status, before: Status | undefined) => void>()
  const take = (verdicts: readonly Status[]) => {
    for (const status of verdicts) {
      const before = newest.get(status.backend)
      newest.set(status.backend, status)
      for (const listener of [...listeners]) listener(status, before)
    }
    if (verdicts.length > 0) waits.look()
  }
  const cancel: Cancel = clock.every(LOOK_MS, () => take(book.look(clock.monotonicMs())))
  return {
    hear: (table) => take(book.hear(table, clock.monotonicMs())),
    of: (backend) => newest.get(backend),
    serving: (models) =>
      [...newest.values()].flatMap(({ backend, models: found }) =>
        found?.some((model) => models.has(model)) ? [backend] : [],
      ),
    observations: (backend) => book.observations(backend, clock.monotonicMs()),
    keepOnly: (exists) => {
      for (const backend of newest.keys()) if (!exists(backend)) newest.delete(backend)
      book.keepOnly(exists)
    },
    seen: (backend, revision, withinMs) =>
      waits.until(() => (newest.get(backend)?.revision ?? 0) >= revision, withinMs),
    end: () => {
      cancel()
      waits.end()
    },
    onChange: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
