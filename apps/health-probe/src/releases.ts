import { type Clock } from '@signalbox/host'

/**
 * A backend that goes over to others is looked at for so long more: whoever takes it over has to
 * hear of it first, and to look.
 */
export const RELEASE_MS = 30_000

/** Backends that are still looked at, though others do by now. */
export interface Releases {
  /** Whether it can be let go; asked again later where not. What began late can go at once. */
  isDue(id: string, startedMs: number): boolean
  /** It is this probe's again, or is looked at no more. */
  end(id: string): void
  pending(): boolean
}

export function createReleases(clock: Clock): Releases {
  const since = new Map<string, number>()
  return {
    isDue: (id, startedMs) => {
      const nowMs = clock.monotonicMs()
      const sinceMs = since.get(id) ?? nowMs
      since.set(id, sinceMs)
      return nowMs - sinceMs >= RELEASE_MS || nowMs - startedMs < RELEASE_MS
    },
    end: (id) => void since.delete(id),
    pending: () => since.size > 0,
  }
}
