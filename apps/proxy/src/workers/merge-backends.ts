import { type BackendHealth, type SeenBackend } from '../answers.ts'

/** Workers find out for themselves what fails: of what they say the worst is shown. */
const WORSE: Readonly<Record<SeenBackend['breaker']['state'], number>> = {
  closed: 0,
  half_open: 1,
  open: 2,
}

/** The backends as all workers see them: sums, the slowest first byte, usable where any may. */
export function mergeBackends(parts: readonly BackendHealth[]): BackendHealth {
  const revision = Math.min(...parts.map((part) => part.revision))
  const byId = new Map<string, SeenBackend>()
  for (const one of parts.flatMap((part) => part.backends)) {
    const other = byId.get(one.id)
    byId.set(one.id, other ? both(other, one) : one)
  }
  return { revision: Number.isFinite(revision) ? revision : 0, backends: [...byId.values()] }
}

function both(a: SeenBackend, b: SeenBackend): SeenBackend {
  // One that has just started may not have heard of a status yet.
  const known = a.health === 'unknown' ? b : a
  return {
    ...known,
    eligible: a.eligible || b.eligible,
    firstByteMs: larger(a.firstByteMs, b.firstByteMs),
    inFlight: a.inFlight + b.inFlight,
    breaker: worse(a.breaker, b.breaker),
    pool: {
      open: a.pool.open + b.pool.open,
      idle: a.pool.idle + b.pool.idle,
      pending: a.pool.pending + b.pool.pending,
    },
  }
}

function worse(a: SeenBackend['breaker'], b: SeenBackend['breaker']): SeenBackend['breaker'] {
  const models = new Map(a.models.map((one) => [one.model, one]))
  for (const one of b.models) {
    const other = models.get(one.model)
    if (!other || WORSE[other.state] < WORSE[one.state]) models.set(one.model, one)
  }
  return { ...(WORSE[a.state] >= WORSE[b.state] ? a : b), models: [...models.values()] }
}

function larger(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.max(a, b)
}
