/** Observed health of a backend. Never part of the log. */
export type Health = 'ready' | 'warming_up' | 'down' | 'unknown'

/** What a probe last saw of one backend. `unknown` is eligible for picking, `down` is not. */
export interface Status {
  readonly backend: string
  readonly health: Health
  /** Milliseconds since the epoch at which `health` last changed. */
  readonly sinceMs: number
  readonly checkedAtMs: number
  readonly latencyMs: number | null
  /** Safe text; never a body of the backend. */
  readonly error: string | null
  /** Models that discovery found; null where discovery has not (yet) succeeded. */
  readonly models: readonly string[] | null
  /** Revision of the backend's resource that was probed. */
  readonly revision: number
  readonly observer: string
}

/** A probe's whole view, repeated periodically and when somebody asks. */
export interface StatusTable {
  readonly observer: string
  readonly statuses: readonly Status[]
}
