import { type Clock } from '@signalbox/host'
import { type Status, type StatusTable } from '@signalbox/model'
import { createWaits } from './waits.ts'

export interface Statuses {
  hear(table: StatusTable): void
  of(backend: string): Status | undefined
  /** Backends whose probes found one of these models there. */
  serving(models: ReadonlySet<string>): readonly string[]
  keepOnly(exists: (backend: string) => boolean): void
  /** Settles when a status of the backend at this revision has come, or after the time. */
  seen(backend: string, revision: number, withinMs: number): Promise<void>
  /** Ends what waits in seen(). */
  end(): void
  onChange(listener: (status: Status) => void): () => void
}

/** The newest status of each backend, from whichever probe it came. */
export function createStatuses(clock: Clock): Statuses {
  const newest = new Map<string, Status>()
  const waits = createWaits(clock)
  const listeners = new Set<(status: Status) => void>()
  return {
    hear: ({ statuses }) => {
      for (const status of statuses) {
        const before = newest.get(status.backend)
        if (before && before.checkedAtMs > status.checkedAtMs) continue
        newest.set(status.backend, status)
        for (const listener of [...listeners]) listener(status)
      }
      waits.look()
    },
    of: (backend) => newest.get(backend),
    serving: (models) =>
      [...newest.values()].flatMap(({ backend, models: found }) =>
        found?.some((model) => models.has(model)) ? [backend] : [],
      ),
    keepOnly: (exists) => {
      for (const backend of newest.keys()) if (!exists(backend)) newest.delete(backend)
    },
    seen: (backend, revision, withinMs) =>
      waits.until(() => (newest.get(backend)?.revision ?? 0) >= revision, withinMs),
    end: () => waits.end(),
    onChange: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
