import { CODES, type RefusalCode } from './codes.ts'

/** One field of a body that is not as it should be. `path` is dotted: `spec.limits.connections`. */
export interface FieldProblem {
  readonly path: string
  readonly message: string
}

/** Why a command was not carried out. Nothing was written when one of these is returned. */
export interface Refusal {
  readonly code: RefusalCode
  readonly message: string
  readonly errors?: readonly FieldProblem[]
  /** The present value, where the caller's view of it was stale (412). */
  readonly current?: unknown
}

export function refuse(
  code: RefusalCode,
  message: string,
  more: { errors?: readonly FieldProblem[]; current?: unknown } = {},
): Refusal {
  return { code, message, ...more }
}

/** HTTP status of a refusal. */
export function statusOf(refusal: Refusal): number {
  return CODES[refusal.code].status
}
