import { type Clock } from '@signalbox/host'
import { type Status, type StatusTable } from '@signalbox/model'

export interface Statuses {
  hear(table: StatusTable): void
  of(backend: string): Status | undefined
  all(): readonly Status[]
  keepOnly(exists: (backend: string) => boolean): void
  /** Settles when a status of the backend at this revision has come, or after the time. */
  seen(backend: string, revision: number, withinMs: number): Promise<void>
  onChange(listener: (status: Status) => void): () => void
}

/** The newest status of each backend, from whichever probe it came. */
export function createStatuses(clock: Clock): Statuses {
  const newest = new Map<string, Status>()
  const listeners = new Set<(status: Status) => void>()
  return {
    hear: ({ statuses }) => {
      for (const status of statuses) {
        const before = newest.get(status.backend)
        if (before && before.checkedAtMs > status.checkedAtMs) continue
        newest.set(status.backend, status)
        for (const listener of [...listeners]) listener(status)
      }
    },
    of: (backend) => newest.get(backend),
    all: () => [...newest.values()],
    keepOnly: (exists) => {
      for (const backend of newest.keys()) if (!exists(backend)) newest.delete(backend)
    },
    seen: (backend, revision, withinMs) =>
      new Promise((resolve) => {
        const isIt = (status: Status | undefined) =>
          status?.backend === backend && status.revision >= revision
        const finish = () => {
          cancel()
          listeners.delete(look)
          resolve()
        }
        const look = (status: Status | undefined) => {
          if (isIt(status)) finish()
        }
        const cancel = clock.after(withinMs, finish)
        listeners.add(look)
        look(newest.get(backend))
      }),
    onChange: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
