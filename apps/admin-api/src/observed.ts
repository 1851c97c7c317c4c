import { type Status } from '@signalbox/model'
import { appliedOf, type LogEnd, type Member } from './fleet.ts'
import { type Observed } from './statuses.ts'

/** A member of the fleet as the API answers it; `head` is the log's. */
export function presentMember({ heartbeat, seenAtMs, live }: Member, head: LogEnd) {
  const { id, role, labels, version, received, active, state, nacks, load } = heartbeat
  return {
    id,
    role,
    labels,
    version,
    received,
    active,
    state,
    nacks,
    load,
    live,
    lag: Math.max(0, head.revision - appliedOf(heartbeat, head)),
    lastSeenAt: new Date(seenAtMs).toISOString(),
  }
}

/** What one probe says of it; `counts`: it is heard, and has a word to say. */
export function presentObservation({ status, fresh }: Observed) {
  const { observer, health, checkedAtMs, latencyMs, error, revision } = status
  const checkedAt = new Date(checkedAtMs).toISOString()
  const counts = fresh && health !== 'unknown'
  return { observer, health, checkedAt, latencyMs, error, revision, counts }
}

/** A backend's health; nobody has looked yet: unknown. */
export function presentStatus(backend: string, status: Status | undefined) {
  return {
    backend,
    health: status?.health ?? 'unknown',
    since: status ? new Date(status.sinceMs).toISOString() : null,
    checkedAt: status ? new Date(status.checkedAtMs).toISOString() : null,
    latencyMs: status?.latencyMs ?? null,
    error: status?.error ?? null,
    models: status?.models ?? null,
    observer: status?.observer ?? null,
  }
}
