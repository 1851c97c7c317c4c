import { type Health, type Status } from '@signalbox/model'

/*
 * What several probes say of one backend, made into one word. Every reader (proxy, admin API) has
 * the same observations and works the same word out of them: nobody has to be asked, elected or
 * waited for. The word depends on the newest observation of each probe alone, not on the order in
 * which they came nor on words before, so that who comes late says the same as who was there. What
 * needs a memory (thresholds, hold-down) has it in the probe, before it speaks (health.ts).
 *
 *   An observation counts while its probe is heard (a table or an empty one every 10 s) and has
 *   repeated it (every 30 s); of the newest revision of the backend that anybody looked at; and
 *   unless it is `unknown`: who suspects itself, has no key or has just begun knows nothing.
 *
 *   out    more than half of those that count say `down` or `warming_up`
 *   down   more than half say `down`;   otherwise what is out warms up
 *   ready  all else: one probe of several takes nobody out, and a tie is no majority
 *
 * With one probe that is its own word, as it said it. Where all that is fresh is `unknown`, what
 * was last said holds for HELD_MS: the probe that takes over begins with `unknown`, and must not
 * bring back what another had found down. Then it is `unknown`, which is eligible; and where
 * nothing is fresh at all there is no word (null): readers keep the last.
 */

/** A probe that was not heard for so long does not count: two heartbeats and a half. */
export const OBSERVER_FRESH_MS = 25_000
/** Nor an observation that was not repeated: two tables and a half. */
export const OBSERVATION_FRESH_MS = 75_000
/** For so long it holds all the same where nobody that is fresh counts. */
export const HELD_MS = 90_000

/** The newest that one probe said of one backend. */
export interface Observation {
  readonly observer: string
  readonly status: Status
  /** When the reader heard it, by its monotonic clock: those of two machines are not compared. */
  readonly heardMs: number
}

/** When each probe was last heard, by the same clock. */
export type Observers = ReadonlyMap<string, number>

/** The status to act on, in the words of the probe that agrees and looked last; null: no news. */
export function verdictOf(
  observations: readonly Observation[],
  observers: Observers,
  nowMs: number,
): Status | null {
  const fresh = observations.filter((one) => isFresh(one, observers, nowMs))
  if (fresh.length === 1 && fresh[0] && votes(fresh[0])) return fresh[0].status
  const current = newest(fresh)
  const voters = current.filter(votes)
  if (voters.length > 0) return decided(voters, current)
  if (fresh.length === 0) return null
  const held = newest(observations.filter(({ heardMs }) => nowMs - heardMs < HELD_MS))
  const last = held.filter(votes)
  if (last.length > 0) return decided(last, held)
  return spokesman(current)?.status ?? null
}

/** Whether the observation counts by its age and that of its probe's last word. */
export function isFresh(
  { observer, heardMs }: Observation,
  observers: Observers,
  nowMs: number,
): boolean {
  const seenMs = observers.get(observer) ?? -Infinity
  return nowMs - seenMs < OBSERVER_FRESH_MS && nowMs - heardMs < OBSERVATION_FRESH_MS
}

function votes({ status }: Observation): boolean {
  return status.health !== 'unknown'
}

/** Of the newest revision: what was seen at an older one may be another address. */
function newest(observations: readonly Observation[]): readonly Observation[] {
  const revision = Math.max(...observations.map(({ status }) => status.revision))
  return observations.filter(({ status }) => status.revision === revision)
}

function decided(voters: readonly Observation[], seen: readonly Observation[]): Status {
  const health = majorityOf(voters)
  const agreeing = voters.filter(({ status }) =>
    health === 'warming_up' ? status.health !== 'ready' : status.health === health,
  )
  const one = spokesman(agreeing) ?? spokesman(voters)
  if (!one) throw new Error('a verdict without a voter')
  if (voters.length === 1 && seen.length === 1) return one.status
  // The moment at which as many as it takes had come to it.
  const half = voters.length / 2
  const enough = health === 'ready' ? Math.ceil(half) : Math.floor(half) + 1
  const sinceMs = agreeing.map(({ status }) => status.sinceMs).toSorted((a, b) => a - b)
  const models = modelsOf(seen)
  return { ...one.status, health, sinceMs: sinceMs[enough - 1] ?? one.status.sinceMs, models }
}

function majorityOf(voters: readonly Observation[]): Health {
  const count = (health: Health) => voters.filter(({ status }) => status.health === health).length
  const downs = count('down')
  if (2 * downs > voters.length) return 'down'
  return 2 * (downs + count('warming_up')) > voters.length ? 'warming_up' : 'ready'
}

/** Who looked last; of two that looked at once, the first by name. */
function spokesman(observations: readonly Observation[]): Observation | undefined {
  return observations.toSorted(
    (a, b) => b.status.checkedAtMs - a.status.checkedAtMs || byName(a, b),
  )[0]
}

/** Of the first by name, so that probes that find different lists do not take turns. */
function modelsOf(observations: readonly Observation[]): Status['models'] {
  const found = observations.filter(({ status }) => status.models !== null)
  return found.toSorted(byName)[0]?.status.models ?? null
}

function byName(a: Observation, b: Observation): number {
  return a.observer < b.observer ? -1 : a.observer > b.observer ? 1 : 0
}
