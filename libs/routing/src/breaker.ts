import { type PolicySpec } from '@signalbox/model'
import { type Outcome } from './attempt.ts'

/*
 * What requests learn about a backend between two probes. It is left alone for a time when it fails
 * again and again:
 *
 *              connectFailures in a row, or failures in a row, or ratePercent
 *              of at least requestsMin within windowMs
 *    closed ------------------------------------------------------------------> open
 *      ^                                                                         |  openMs, twice
 *      |  a probing request                                                      |  that, four
 *      |  is answered                                                            v  times that ...
 *      +------------------------------------------------------------------- half open
 *                                          and back to open when it fails -------^
 *
 * Half open, at most `probes` requests at once go there; everything else goes elsewhere. Once
 * closed, it gets its share back bit by bit (slow start), since caches are cold after a failure.
 *
 * Two kinds of evidence are kept apart. Where no connection can be made, nobody is there: such an
 * ejection needs no further ground. A status 5xx, a timeout or a broken answer may as well be the
 * request's fault, or everybody's: by those no more than ejectedPercentMax of a route's targets are
 * ejected at a time, a sole backend never, and they count for nothing while less than panicPercent
 * of a tier is up. What a probe says is not touched by any of this.
 */
export type BreakerState = 'closed' | 'open' | 'half_open'
export type EjectionCause = 'connect' | 'failures'

export interface Breaker {
  open: boolean
  cause: EjectionCause
  /** Until when it is open; from then on it is half open. */
  untilMs: number
  /** Ejections one after the other, without an answer in between. */
  ejections: number
  /** In a row. */
  connectFailures: number
  failures: number
  windowMs: number
  windowCount: number
  windowFailed: number
  /** Probing requests in flight, and at most. */
  probing: number
  probesMax: number
  /** When it was closed again, and how long it gets less than its share. */
  recoveredMs: number
  slowStartMs: number
}

/** The least part of its share that a backend in slow start gets. */
export const SLOW_START_MIN = 0.1
const SERVER_ERROR = 500
const PERCENT = 100
const DOUBLINGS_MAX = 16

export function openBreaker(): Breaker {
  return {
    open: false,
    cause: 'connect',
    untilMs: 0,
    ejections: 0,
    connectFailures: 0,
    failures: 0,
    windowMs: -Infinity,
    windowCount: 0,
    windowFailed: 0,
    probing: 0,
    probesMax: 1,
    recoveredMs: -Infinity,
    slowStartMs: 0,
  }
}

export function breakerState({ open, untilMs }: Breaker, nowMs: number): BreakerState {
  if (!open) return 'closed'
  return nowMs < untilMs ? 'open' : 'half_open'
}

/** Whether a request may go there now. */
export function admits(breaker: Breaker, nowMs: number): boolean {
  if (!breaker.open) return true
  return nowMs >= breaker.untilMs && breaker.probing < breaker.probesMax
}

/** The part of its share that it gets, 0 to 1. */
export function slowStartShare({ recoveredMs, slowStartMs }: Breaker, nowMs: number): number {
  const sinceMs = nowMs - recoveredMs
  return sinceMs >= slowStartMs ? 1 : Math.max(SLOW_START_MIN, sinceMs / slowStartMs)
}

/** An attempt begins. Answers whether it is a probing one; endAttempt() wants to know. */
export function beginAttempt(breaker: Breaker, nowMs: number): boolean {
  const probes = breakerState(breaker, nowMs) === 'half_open'
  if (probes) breaker.probing += 1
  return probes
}

const NOT_REACHED: ReadonlySet<string> = new Set([
  'upstream_connect_failed',
  'upstream_address_refused',
])

/** What an attempt says about its backend; `nothing` where the client left or was at fault. */
export type Verdict = 'good' | 'connect' | 'failure' | 'nothing'

/** Whether a backend's status speaks for it; 0: it has not answered. */
export function answersWell(status: number): boolean {
  return status > 0 && status < SERVER_ERROR
}

/** `status` is the backend's, 0 where it has not answered. */
export function verdictOf(outcome: Outcome, status: number): Verdict {
  if (outcome.kind === 'answered') return status >= SERVER_ERROR ? 'failure' : 'good'
  const { failure } = outcome
  if (failure.source !== 'upstream') return 'nothing'
  if (NOT_REACHED.has(failure.code)) return 'connect'
  if (failure.code === 'upstream_busy') return status >= SERVER_ERROR ? 'failure' : 'good'
  return 'failure'
}

export interface Ended {
  readonly verdict: Verdict
  readonly probes: boolean
  readonly nowMs: number
  /** Whether one more of the route's targets may be ejected for failures. */
  readonly mayEject: () => boolean
}

/** An attempt has ended. Answers why the backend is ejected from now on, if it is. */
export function endAttempt(
  breaker: Breaker,
  { breaker: policy }: PolicySpec,
  ended: Ended,
): EjectionCause | undefined {
  const { verdict, probes, nowMs } = ended
  if (probes) breaker.probing = Math.max(0, breaker.probing - 1)
  if (verdict === 'nothing') return undefined
  if (breaker.open) {
    // What began before the ejection, or in a panic, decides nothing.
    if (!probes) return undefined
    // Switched off since: what it did is over with the first request that is let through.
    if (!policy.enabled) return void Object.assign(breaker, openBreaker())
    if (verdict === 'good') return void recover(breaker, policy, nowMs)
    return eject(breaker, policy, { cause: causeOf(verdict), nowMs })
  }
  count(breaker, policy, ended)
  if (!policy.enabled || verdict === 'good') return undefined
  if (breaker.connectFailures >= policy.connectFailures) {
    return eject(breaker, policy, { cause: 'connect', nowMs })
  }
  if (!isOverdone(breaker, policy) || !ended.mayEject()) return undefined
  return eject(breaker, policy, { cause: causeOf(verdict), nowMs })
}

type BreakerPolicy = PolicySpec['breaker']

function causeOf(verdict: Verdict): EjectionCause {
  return verdict === 'connect' ? 'connect' : 'failures'
}

/** Notes what an attempt at a closed one has said; endAttempt() does where more may come of it. */
export function count(
  breaker: Breaker,
  policy: BreakerPolicy,
  { verdict, nowMs }: Pick<Ended, 'verdict' | 'nowMs'>,
): void {
  if (nowMs - breaker.windowMs >= policy.windowMs) {
    breaker.windowMs = nowMs
    breaker.windowCount = 0
    breaker.windowFailed = 0
  }
  breaker.windowCount += 1
  breaker.connectFailures = verdict === 'connect' ? breaker.connectFailures + 1 : 0
  if (verdict === 'good') {
    breaker.failures = 0
    return
  }
  breaker.failures += 1
  breaker.windowFailed += 1
}

function isOverdone({ failures, windowCount, windowFailed }: Breaker, policy: BreakerPolicy) {
  if (failures >= policy.failures) return true
  return (
    windowCount >= policy.requestsMin && windowFailed * PERCENT >= windowCount * policy.ratePercent
  )
}

function eject(
  breaker: Breaker,
  policy: BreakerPolicy,
  { cause, nowMs }: { readonly cause: EjectionCause; readonly nowMs: number },
): EjectionCause {
  const openMs = policy.openMs * 2 ** Math.min(breaker.ejections, DOUBLINGS_MAX)
  breaker.open = true
  breaker.cause = cause
  breaker.untilMs = nowMs + Math.min(openMs, Math.max(policy.openMs, policy.openMsMax))
  breaker.ejections += 1
  breaker.probing = 0
  breaker.probesMax = policy.probes
  return cause
}

function recover(breaker: Breaker, policy: BreakerPolicy, nowMs: number): void {
  Object.assign(breaker, openBreaker())
  breaker.recoveredMs = nowMs
  breaker.slowStartMs = policy.slowStartMs
}
