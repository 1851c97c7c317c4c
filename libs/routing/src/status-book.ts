import { type Status, type StatusTable } from '@signalbox/model'
import { isFresh, type Observation, OBSERVER_FRESH_MS, verdictOf } from './verdict.ts'

/** Probes of one backend that are remembered; of more, those that were heard last. */
const OBSERVERS_OF_ONE_MAX = 16
const OBSERVERS_MAX = 64
const BACKENDS_MAX = 200_000
/** What was not repeated for so long is forgotten; readers keep the word that was made of it. */
const FORGOTTEN_MS = 600_000
/** All is looked through so often, though no probe has come or gone. */
const SWEEP_MS = 30_000
/** What is overtaken on its way comes so late at most; an older time is that of another clock. */
const LATE_MS_MAX = 10_000
/** How often look() is to be called: a probe that is gone is noticed after so long more. */
export const LOOK_MS = 5_000

interface Entry {
  observations: Observation[]
  /** What readers were last told. */
  told: Status | null
}

/**
 * The observations that came in, and the verdicts on them, for one reader. Memory is bounded
 * whatever comes. `nowMs` is the reader's monotonic clock.
 */
export class StatusBook {
  readonly #observers = new Map<string, number>()
  readonly #byBackend = new Map<string, Entry>()
  /** Which probes were fresh when all was last looked through. */
  #fresh = ''
  #sweptMs = -Infinity

  /** Takes a table in. Answers the verdict on all that is in it, and on what else it changes. */
  hear(table: StatusTable, nowMs: number): readonly Status[] {
    const { observer, statuses } = table
    if (table.leaving) this.#observers.delete(observer)
    else this.#meet(observer, nowMs)
    const verdicts: Status[] = []
    for (const status of statuses) {
      const verdict = this.#take({ observer, status, heardMs: nowMs }, nowMs)
      if (verdict) verdicts.push(verdict)
    }
    return [...verdicts, ...this.look(nowMs)]
  }

  /** Answers the verdicts that have changed by silence alone. */
  look(nowMs: number): readonly Status[] {
    const there = [...this.#observers].filter(([, seenMs]) => nowMs - seenMs < OBSERVER_FRESH_MS)
    const fresh = JSON.stringify(there.map(([observer]) => observer).toSorted())
    if (fresh === this.#fresh && nowMs - this.#sweptMs < SWEEP_MS) return []
    this.#fresh = fresh
    this.#sweptMs = nowMs
    const changed: Status[] = []
    for (const [backend, entry] of this.#byBackend) {
      entry.observations = entry.observations.filter(
        ({ heardMs }) => nowMs - heardMs < FORGOTTEN_MS,
      )
      if (entry.observations.length === 0) this.#byBackend.delete(backend)
      const verdict = verdictOf(entry.observations, this.#observers, nowMs)
      if (!verdict || (entry.told && sameFacts(verdict, entry.told))) continue
      entry.told = verdict
      changed.push(verdict)
    }
    return changed
  }

  /** What each probe last said of a backend, and whether it counts. */
  observations(backend: string, nowMs: number) {
    const { observations = [] } = this.#byBackend.get(backend) ?? {}
    return observations.map(({ observer, status, heardMs }) => ({
      status,
      fresh: isFresh({ observer, status, heardMs }, this.#observers, nowMs),
    }))
  }

  keepOnly(exists: (backend: string) => boolean): void {
    for (const backend of this.#byBackend.keys()) {
      if (!exists(backend)) this.#byBackend.delete(backend)
    }
  }

  #meet(observer: string, nowMs: number): void {
    this.#observers.delete(observer)
    this.#observers.set(observer, nowMs)
    const [silent] = this.#observers.keys()
    if (this.#observers.size > OBSERVERS_MAX && silent !== undefined) this.#observers.delete(silent)
  }

  #take(one: Observation, nowMs: number): Status | null {
    const { backend } = one.status
    const entry = this.#byBackend.get(backend) ?? { observations: [], told: null }
    const { observations } = entry
    const at = observations.findIndex(({ observer }) => observer === one.observer)
    const before = observations[at]
    if (before && isLate(one, before, isFresh(before, this.#observers, nowMs))) return null
    if (before) observations[at] = one
    else if (!this.#add(entry, one)) return null
    const verdict = verdictOf(observations, this.#observers, nowMs)
    if (verdict) entry.told = verdict
    return verdict
  }

  #add(entry: Entry, one: Observation): boolean {
    const { observations } = entry
    if (observations.length >= OBSERVERS_OF_ONE_MAX) {
      observations.sort((a, b) => a.heardMs - b.heardMs)
      observations[0] = one
      return true
    }
    observations.push(one)
    if (observations.length > 1) return true
    if (this.#byBackend.size >= BACKENDS_MAX) return false
    this.#byBackend.set(one.status.backend, entry)
    return true
  }
}

/** Overtaken on the way. A probe whose clock was set back is heard at once. */
function isLate(one: Observation, before: Observation, fresh: boolean): boolean {
  const lateMs = before.status.checkedAtMs - one.status.checkedAtMs
  return fresh && lateMs > 0 && lateMs <= LATE_MS_MAX
}

function sameFacts(a: Status, b: Status): boolean {
  const same = a.health === b.health && a.revision === b.revision
  return same && (a.models === b.models || JSON.stringify(a.models) === JSON.stringify(b.models))
}
