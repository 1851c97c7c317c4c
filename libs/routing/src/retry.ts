import { type PolicySpec, type RetryOn } from '@signalbox/model'

/*
 * Retries multiply load just when there is too much of it: three attempts a request treble what a
 * backend in trouble gets. So each route has a bucket of tokens, and a retry costs one (finagle's
 * RetryBudget). Every request puts `budgetPercent` of a token in; time puts one in each second, so
 * that a quiet route can retry, too. Full, the bucket holds TOKENS_MAX: a short outage is bridged
 * whole, a long one costs no more than the share.
 *
 *     retries <= TOKENS_MAX + requests x budgetPercent / 100 + seconds
 */
export const TOKENS_MAX = 10
const MS_PER_TOKEN = 1_000
const PERCENT = 100

export interface RetryBudget {
  tokens: number
  atMs: number
}

export function openRetryBudget(nowMs: number): RetryBudget {
  return { tokens: TOKENS_MAX, atMs: nowMs }
}

/** A request has come. */
export function earnRetries(budget: RetryBudget, percent: number, nowMs: number): void {
  const earned = percent / PERCENT + Math.max(0, nowMs - budget.atMs) / MS_PER_TOKEN
  budget.tokens = Math.min(TOKENS_MAX, budget.tokens + earned)
  budget.atMs = nowMs
}

/** Whether one more retry can be paid; it is, then. With 0 % there are none at all. */
export function payRetry(budget: RetryBudget, percent: number): boolean {
  if (percent === 0 || budget.tokens < 1) return false
  budget.tokens -= 1
  return true
}

/** Whether the policy lets a request that was answered with this status be sent again. */
export function retriesStatus({ retry }: PolicySpec, status: number): boolean {
  return (retry.on as readonly (RetryOn | number)[]).includes(status)
}

/** What the backend asks for in `retry-after`, in milliseconds; 0 where it asks for nothing. */
export function retryAfterMs(header: string | undefined): number {
  return /^\d{1,6}$/.test(header ?? '') ? Number(header) * 1_000 : 0
}

/**
 * Milliseconds before the n-th retry (from 1) at a backend that was asked before: full jitter over
 * an exponential ceiling, but as long as the backend asks for, and never over `maxMs`.
 */
export function backoffMs(
  { retry: { backoff } }: PolicySpec,
  { retries, askedMs }: { readonly retries: number; readonly askedMs: number },
  random: () => number,
): number {
  const ceiling = Math.min(backoff.maxMs, backoff.baseMs * 2 ** (retries - 1))
  return Math.min(backoff.maxMs, Math.max(askedMs, random() * ceiling))
}
