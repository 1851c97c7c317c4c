import * as z from 'zod'
import { durationMs, labels, strict } from './fields.ts'

/** Strategies that this version can pick by. */
export const STRATEGIES = ['RoundRobin', 'WeightedRoundRobin', 'LeastLatency'] as const
export type Strategy = (typeof STRATEGIES)[number]

const timeouts = strict({
  connectMs: durationMs.default(5_000),
  firstByteMs: durationMs.default(120_000),
  idleMs: durationMs.default(60_000),
  totalMs: durationMs.default(300_000),
  streamTotalMs: durationMs.default(600_000),
})

/** A failure to connect sent nothing, so another attempt cannot be billed twice. */
const retry = strict({ maxRetries: z.int().min(0).max(10).default(2) })

export const policySpec = strict({
  strategy: z.enum(STRATEGIES).default('RoundRobin'),
  fallbackStrategy: z.enum(['RoundRobin', 'WeightedRoundRobin']).default('RoundRobin'),
  timeouts: timeouts.prefault({}),
  retry: retry.prefault({}),
  /** Whether a field that a backend's dialect cannot say is refused, or dropped and listed. */
  translation: z.enum(['strict', 'lenient']).default('strict'),
  labels: labels.default({}),
})

/** Named behaviour of the routes that refer to it. */
export type PolicySpec = Readonly<z.output<typeof policySpec>>

/** What the policy `default` says where nobody has written one. */
export const DEFAULT_POLICY_ID = 'default'
export const DEFAULT_POLICY: PolicySpec = policySpec.parse({})
