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

/**
 * What a probe sees, whole or in part; the whole is repeated every 30 s and when somebody asks. An
 * empty one every 10 s says that the probe is there.
 */
export interface StatusTable {
  readonly observer: string
  readonly statuses: readonly Status[]
  /** It goes now, and what it said no longer counts. */
  readonly leaving?: boolean
}
