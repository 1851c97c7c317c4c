import {
  CODES,
  type FailureCode,
  FIRST_BYTE_BUCKETS_MS,
  isInCohort,
  openRelease,
  type ReleaseCounts,
  type ReleaseError,
  type Snapshot,
} from '@signalbox/model'

/** What a release is judged by of one request that is over. */
export interface Ended {
  readonly status: number
  readonly code: FailureCode | null
  readonly firstByteMs: number | null
}

/**
 * How requests end on one side of one stage of a release. A request counts where it was routed: it
 * keeps these with its table, so that one that is under way at a switch counts for the old side.
 */
export class ReleaseCounting {
  readonly #of: Pick<ReleaseCounts, 'release' | 'stage' | 'cohort'>
  readonly #errors: Record<ReleaseError, number> = {
    failed: 0,
    refused: 0,
    unrouted: 0,
    limited: 0,
  }
  readonly #firstBytes = [...FIRST_BYTE_BUCKETS_MS, Infinity].map(() => 0)
  #requests = 0
  #firstByteMs = 0

  constructor(of: Pick<ReleaseCounts, 'release' | 'stage' | 'cohort'>) {
    this.#of = of
  }

  isOf({ release, stage, cohort }: Pick<ReleaseCounts, 'release' | 'stage' | 'cohort'>): boolean {
    return this.#of.release === release && this.#of.stage === stage && this.#of.cohort === cohort
  }

  add(ended: Ended): void {
    this.#requests++
    const error = errorOf(ended)
    if (error) this.#errors[error]++
    const { firstByteMs } = ended
    if (firstByteMs === null) return
    this.#firstByteMs += firstByteMs
    const found = FIRST_BYTE_BUCKETS_MS.findIndex((bound) => firstByteMs <= bound)
    const bucket = found < 0 ? FIRST_BYTE_BUCKETS_MS.length : found
    this.#firstBytes[bucket] = (this.#firstBytes[bucket] ?? 0) + 1
  }

  counts(): ReleaseCounts {
    return {
      ...this.#of,
      requests: this.#requests,
      errors: { ...this.#errors },
      firstByteMs: Math.round(this.#firstByteMs),
      firstBytes: [...this.#firstBytes],
    }
  }
}

/** The counting for a snapshot: the former one where it goes on; none where no release is open. */
export function countingFor(
  snapshot: Snapshot,
  member: { readonly id: string; readonly labels: Readonly<Record<string, string>> },
  former: ReleaseCounting | undefined,
): ReleaseCounting | undefined {
  const release = openRelease(snapshot)
  if (!release) return undefined
  const of = {
    release: release.id,
    stage: release.spec.stage,
    cohort: isInCohort(release, member),
  }
  return former?.isOf(of) ? former : new ReleaseCounting(of)
}

/**
 * What a configuration may be to blame for. What the client did wrong by our own word (a body that
 * is too large, a key that may not) and a client that left are not; what a backend refused may be.
 */
export function errorOf({ status, code }: Ended): ReleaseError | undefined {
  const spoken = code === null ? status : CODES[code].status
  if (spoken >= 500) return 'failed'
  if (spoken === 429) return 'limited'
  if (code === 'model_not_found') return 'unrouted'
  return code === null && spoken >= 400 ? 'refused' : undefined
}
