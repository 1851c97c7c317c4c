/** Upper bounds of the buckets of times to first byte; one more bucket is for what is above. */
export const FIRST_BYTE_BUCKETS_MS = [
  50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000,
] as const

/** How a request that was routed failed. */
export const RELEASE_ERRORS = ['failed', 'refused', 'unrouted', 'limited'] as const
export type ReleaseError = (typeof RELEASE_ERRORS)[number]

/**
 * How requests ended in one proxy since it came to this stage of a release, on this side of it.
 * Counts grow; they begin anew with the process, the stage and the side.
 */
export interface ReleaseCounts {
  /** Id of the release, and index of its stage. */
  readonly release: string
  readonly stage: number
  /** Whether they were routed by what is released. */
  readonly cohort: boolean
  readonly requests: number
  readonly errors: Readonly<Record<ReleaseError, number>>
  /** Sum over those that got a first byte, in ms; and how many of them by bucket. */
  readonly firstByteMs: number
  readonly firstBytes: readonly number[]
}

/** Counts of several on one side of a stage, added up; of the latest such where they differ. */
export function addCounts(all: readonly (ReleaseCounts | undefined)[]): ReleaseCounts | undefined {
  const given = all.filter((one) => one !== undefined)
  const latest = given.reduce<ReleaseCounts | undefined>(later, undefined)
  if (!latest) return undefined
  return given.filter((one) => isSameSide(one, latest)).reduce(sum)
}

export function isSameSide(a: ReleaseCounts, b: ReleaseCounts): boolean {
  return a.release === b.release && a.stage === b.stage && a.cohort === b.cohort
}

function later(a: ReleaseCounts | undefined, b: ReleaseCounts): ReleaseCounts {
  if (!a) return b
  // release-<revision>: a longer number is a larger one.
  if (a.release !== b.release) {
    const newer = b.release.length - a.release.length || (b.release > a.release ? 1 : -1)
    return newer > 0 ? b : a
  }
  if (a.stage !== b.stage) return b.stage > a.stage ? b : a
  return b.cohort && !a.cohort ? b : a
}

function sum(a: ReleaseCounts, b: ReleaseCounts): ReleaseCounts {
  const errors = RELEASE_ERRORS.map((name) => [name, a.errors[name] + b.errors[name]])
  return {
    ...a,
    requests: a.requests + b.requests,
    errors: Object.fromEntries(errors) as ReleaseCounts['errors'],
    firstByteMs: a.firstByteMs + b.firstByteMs,
    firstBytes: a.firstBytes.map((count, index) => count + (b.firstBytes[index] ?? 0)),
  }
}

/** Whether what came over the bus is what it should be. */
export function isReleaseCounts(value: unknown): value is ReleaseCounts {
  const one = value as Partial<ReleaseCounts> | null
  if (typeof one !== 'object' || one === null) return false
  const { release, stage, cohort, requests, errors, firstByteMs, firstBytes } = one
  return (
    typeof release === 'string' &&
    typeof cohort === 'boolean' &&
    [stage, requests, ...RELEASE_ERRORS.map((name) => errors?.[name])].every(isCount) &&
    Number.isFinite(firstByteMs) &&
    Array.isArray(firstBytes) &&
    firstBytes.length === FIRST_BYTE_BUCKETS_MS.length + 1 &&
    firstBytes.every(isCount)
  )
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0
}
