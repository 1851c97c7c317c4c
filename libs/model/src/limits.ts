import * as z from 'zod'
import { strict } from './fields.ts'

const PER_MINUTE_MAX = 1_000_000_000_000
const AT_A_TIME_MAX = 1_000_000

/** What somebody may use up; what is absent is not limited. How it is counted: docs/limits.md. */
export const limitsSpec = strict({
  /** Requests a minute. */
  rpm: z.int().min(1).max(PER_MINUTE_MAX).optional(),
  /** Tokens a minute, of prompts and answers. */
  tpm: z.int().min(1).max(PER_MINUTE_MAX).optional(),
  /** Requests at a time. */
  concurrency: z.int().min(1).max(AT_A_TIME_MAX).optional(),
})
export type Limits = Readonly<z.output<typeof limitsSpec>>

/** Of these limits, whether there is any. */
export function isLimited(limits: Limits | undefined): limits is Limits {
  if (limits === undefined) return false
  const { rpm, tpm, concurrency } = limits
  return rpm !== undefined || tpm !== undefined || concurrency !== undefined
}
