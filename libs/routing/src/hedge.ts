import { type PolicySpec } from '@signalbox/model'

/*
 * A second attempt beside a first one that is late (Dean and Barroso, The Tail at Scale, 2013):
 *
 *     first attempt ---- afterMs without an answer ----> second attempt at another backend;
 *                                                        whoever answers first, answers
 *
 * Late is what 95 of 100 requests of the route are not, as the route's own times say, unless the
 * policy names a time. Where everything is slow everything is late, and hedging would double the
 * load just then: so each request brings `budgetPercent` of a token, and a second attempt costs
 * one. Nothing is there to begin with, so that second attempts never are more than that share.
 *
 *     second attempts <= requests x budgetPercent / 100
 */
const TOKENS_MAX = 10
const PERCENT = 100
/** Fewer say nothing of the slowest twentieth. */
export const DELAYS_MIN = 20
/** At so many, all count half from then on: what was long ago fades. */
const DELAYS_MAX = 1_000
const LATE = 0.95
/** Four buckets to each doubling, from 1 ms to 17 minutes: a time is known within 19 %. */
const PER_DOUBLING = 4
const BUCKETS = 80

/** What a route keeps for it. */
export interface Hedging {
  tokens: number
  /** Of plain answers and of streams: a plain one begins when it is whole. */
  readonly plain: Delays
  readonly streams: Delays
}

/** How long answers took to begin, as counts by size. */
export interface Delays {
  total: number
  readonly counts: Float64Array
}

export function openHedging(): Hedging {
  return { tokens: 0, plain: openDelays(), streams: openDelays() }
}

function openDelays(): Delays {
  return { total: 0, counts: new Float64Array(BUCKETS) }
}

/** A request has come. */
export function earnHedge(hedging: Hedging, { hedge }: PolicySpec): void {
  hedging.tokens = Math.min(TOKENS_MAX, hedging.tokens + hedge.budgetPercent / PERCENT)
}

/** Whether one more second attempt can be paid; it is, then. */
export function payHedge(hedging: Hedging): boolean {
  // Hundredths add up to a little less than one.
  if (hedging.tokens < 1 - Number.EPSILON * PERCENT) return false
  hedging.tokens = Math.max(0, hedging.tokens - 1)
  return true
}

/** An answer began after so many milliseconds. */
export function observeDelay(delays: Delays, ms: number): void {
  const bucket = Math.ceil(PER_DOUBLING * Math.log2(Math.max(1, ms)))
  const at = Math.min(BUCKETS - 1, bucket)
  delays.counts[at] = (delays.counts[at] ?? 0) + 1
  delays.total += 1
  if (delays.total < DELAYS_MAX) return
  delays.total = 0
  for (let i = 0; i < BUCKETS; i++) {
    delays.counts[i] = (delays.counts[i] ?? 0) / 2
    delays.total += delays.counts[i] ?? 0
  }
}

/** From when an attempt is late, milliseconds; undefined where too little is known to say. */
export function lateAfterMs(delays: Delays, { hedge }: PolicySpec): number | undefined {
  if (hedge.afterMs !== undefined) return hedge.afterMs
  if (delays.total < DELAYS_MIN) return undefined
  let seen = 0
  for (let i = 0; i < BUCKETS; i++) {
    seen += delays.counts[i] ?? 0
    if (seen >= delays.total * LATE) return 2 ** (i / PER_DOUBLING)
  }
  return undefined
}
