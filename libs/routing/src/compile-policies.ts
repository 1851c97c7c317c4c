import {
  DEFAULT_POLICY,
  DEFAULT_POLICY_ID,
  FALLBACK_STRATEGIES,
  STRATEGIES,
  type PolicySpec,
  type Snapshot,
} from '@signalbox/model'
import { type Quarantine } from './quarantine.ts'

/** The usable policies by id; `default` is always among them. */
export function compilePolicies(
  snapshot: Snapshot,
  { problems, lastGood }: Quarantine,
): ReadonlyMap<string, PolicySpec> {
  const policies = new Map<string, PolicySpec>([[DEFAULT_POLICY_ID, DEFAULT_POLICY]])
  for (const [id, { spec }] of snapshot.policies) {
    const message = policyProblem(spec)
    if (message !== undefined) {
      problems.push({ resource: 'policy', id, code: 'does_not_compile', message })
    }
    const usable = message === undefined ? spec : lastGood().policies.get(id)
    if (usable) policies.set(id, withDefaults(usable))
  }
  return policies
}

/** A spec of an earlier version lacks what has come since. */
function withDefaults(spec: PolicySpec): PolicySpec {
  const retry = { ...DEFAULT_POLICY.retry, ...spec.retry }
  const breaker = { ...DEFAULT_POLICY.breaker, ...spec.breaker }
  const tokens = { ...DEFAULT_POLICY.tokens, ...spec.tokens }
  const cache = { ...DEFAULT_POLICY.cache, ...spec.cache }
  const deduplication = { ...DEFAULT_POLICY.deduplication, ...spec.deduplication }
  const hedge = { ...DEFAULT_POLICY.hedge, ...spec.hedge }
  const prompts = { ...DEFAULT_POLICY.prompts, ...spec.prompts }
  const answering = { cache, deduplication, hedge, prompts }
  return { ...DEFAULT_POLICY, ...spec, retry, breaker, tokens, ...answering }
}

/** A snapshot may come from a newer writer: what this version does by name is looked at here. */
function policyProblem(spec: PolicySpec): string | undefined {
  const known: readonly unknown[] = STRATEGIES
  if (!known.includes(spec.strategy)) return `unknown strategy ${JSON.stringify(spec.strategy)}`
  const fallbacks: readonly unknown[] = FALLBACK_STRATEGIES
  if (!fallbacks.includes(spec.fallbackStrategy)) {
    return `unknown fallbackStrategy ${JSON.stringify(spec.fallbackStrategy)}`
  }
  if (typeof spec.timeouts !== 'object' || spec.timeouts === null) return 'timeouts are missing'
  if (!Number.isInteger(spec.retry?.maxRetries)) return 'retry.maxRetries is not a number'
  return undefined
}
