import { type Guard, RELEASE_ERRORS, type ReleaseCounts } from '@signalbox/model'

/*
 * How a release does: its cohort against the proxies that do not take part, over the same time. So
 * a backend that fails for all, or an hour with more traffic, speaks neither for nor against it.
 *
 * Of n requests of a side x failed, p = x / n. The cohort is found worse where
 *
 *     p1 - p2 > maxErrorRateIncrease   and   z = (p1 - p2) / sqrt(p(1-p)(1/n1 + 1/n2)) > Z
 *
 * with p = (x1 + x2) / (n1 + n2): the two-proportion test, one-sided. It is looked at again and
 * again, so that Z is that of one false alarm in a thousand looks that had nothing in common. It is
 * found good where both sides have minRequests and its share of failures is not larger by more than
 * that, by whatever chance. Anything else is not known yet, and never a reason to go on.
 */

/** One-sided, 0.1 %. */
const Z = 3.09
/** Below it the test's normal approximation says nothing. */
const REQUESTS_TESTED_MIN = 20
/** Slow is what is slower than this share of the other side. */
const QUICK_SHARE = 0.95

export interface Side {
  readonly requests: number
  readonly errors: number
  readonly firstBytes: readonly number[]
}

export interface Verdict {
  readonly verdict: 'good' | 'bad' | 'inconclusive'
  readonly why: string
}

export interface Judged {
  readonly cohort: Side
  readonly control: Side
  /** What proxies of the cohort could not compile of it, in words. */
  readonly refused: readonly string[]
}

export const NO_REQUESTS: Side = { requests: 0, errors: 0, firstBytes: [] }

export function judge({ cohort, control, refused }: Judged, guard: Guard): Verdict {
  const [first] = refused
  if (first !== undefined) return { verdict: 'bad', why: `a proxy refused it: ${first}` }
  const errors = [
    { of: cohort.requests, hits: cohort.errors },
    { of: control.requests, hits: control.errors },
  ] as const
  const failing = compare(errors, guard.maxErrorRateIncrease)
  if (failing === 'worse') return { verdict: 'bad', why: `more requests failed: ${shares(errors)}` }
  const { maxSlowRateIncrease } = guard
  const slow = slowOf(cohort, control)
  const slowing = maxSlowRateIncrease === undefined ? 'fine' : compare(slow, maxSlowRateIncrease)
  if (slowing === 'worse')
    return { verdict: 'bad', why: `more requests were slow: ${shares(slow)}` }
  const few = tooFew({ cohort, control }, guard)
  if (few !== undefined) return { verdict: 'inconclusive', why: few }
  if (failing === 'unclear' || slowing === 'unclear') {
    const [what, which] = failing === 'unclear' ? ['failed', errors] : ['were slow', slow]
    return {
      verdict: 'inconclusive',
      why: `more requests ${what}, maybe by chance: ${shares(which)}`,
    }
  }
  return { verdict: 'good', why: `not more requests failed: ${shares(errors)}` }
}

/** The sides' counts added up. */
export function sideOf(all: readonly ReleaseCounts[]): Side {
  return all.reduce<Side>((side, one) => {
    const errors = RELEASE_ERRORS.reduce((sum, name) => sum + one.errors[name], 0)
    return {
      requests: side.requests + one.requests,
      errors: side.errors + errors,
      firstBytes: one.firstBytes.map((count, bucket) => count + (side.firstBytes[bucket] ?? 0)),
    }
  }, NO_REQUESTS)
}

interface Share {
  readonly hits: number
  readonly of: number
}

/** The first against the second. */
function compare(
  [one, other]: readonly [Share, Share],
  increaseMax: number,
): 'worse' | 'unclear' | 'fine' {
  if (one.of === 0 || other.of === 0) return 'fine'
  const increase = one.hits / one.of - other.hits / other.of
  if (increase <= increaseMax) return 'fine'
  if (Math.min(one.of, other.of) < REQUESTS_TESTED_MIN) return 'unclear'
  return zOf(one, other) > Z ? 'worse' : 'unclear'
}

/** The statistic of the two-proportion test; 0 where all or nothing was hit. */
export function zOf(one: Share, other: Share): number {
  const pooled = (one.hits + other.hits) / (one.of + other.of)
  const spread = Math.sqrt(pooled * (1 - pooled) * (1 / one.of + 1 / other.of))
  return spread > 0 ? (one.hits / one.of - other.hits / other.of) / spread : 0
}

/** How many were slower than nearly all of the control were. */
function slowOf(cohort: Side, control: Side): readonly [Share, Share] {
  const all = total(control.firstBytes)
  let quick = 0
  const from = control.firstBytes.findIndex((count) => (quick += count) >= QUICK_SHARE * all) + 1
  const share = ({ firstBytes }: Side): Share => ({
    hits: total(firstBytes.slice(from)),
    of: total(firstBytes),
  })
  return [share(cohort), share(control)]
}

function tooFew(
  { cohort, control }: Pick<Judged, 'cohort' | 'control'>,
  { minRequests }: Guard,
): string | undefined {
  const short = [
    { name: 'the cohort', side: cohort },
    { name: 'the other proxies', side: control },
  ].find(({ side }) => side.requests < minRequests)
  return short && `${short.name} had ${short.side.requests} of ${minRequests} requests`
}

function shares([one, other]: readonly [Share, Share]): string {
  return `${one.hits} of ${one.of} in the cohort, ${other.hits} of ${other.of} elsewhere`
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0)
}
