/** What a limit counts. Slots are requests at a time. */
export const METER_KINDS = ['requests', 'tokens', 'slots'] as const
export type MeterKind = (typeof METER_KINDS)[number]

/**
 * One limit, as one data plane counts it: whose, the place of what it counts in METER_KINDS, what
 * was taken in all (of slots: is in use), what in this lease, what is wanted a lease, what is left,
 * and the limit.
 */
export type LeaseLine = readonly [
  scope: string,
  kind: number,
  total: number,
  taken: number,
  wanted: number,
  level: number,
  limit: number,
]

/** What a data plane tells all others of the limits that it counts, at most once. */
export interface LeaseReport {
  readonly v: 1
  /** One start of one data plane. */
  readonly from: string
  readonly lines: readonly LeaseLine[]
}

const FROM_LENGTH_MAX = 255
const SCOPE_LENGTH_MAX = 300
const LINES_MAX = 4_096
const NUMBERS = 6

/** A report, where this is one: it comes from another process. */
export function readLeaseReport(value: unknown): LeaseReport | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { v, from, lines } = value as Partial<LeaseReport>
  if (v !== 1 || typeof from !== 'string' || from === '' || from.length > FROM_LENGTH_MAX) {
    return undefined
  }
  if (!Array.isArray(lines) || lines.length > LINES_MAX || !lines.every(isLine)) return undefined
  return { v, from, lines }
}

function isLine(line: unknown): line is LeaseLine {
  if (!Array.isArray(line) || line.length !== NUMBERS + 1) return false
  const [scope, kind, ...numbers] = line as unknown[]
  if (typeof scope !== 'string' || scope.length > SCOPE_LENGTH_MAX) return false
  const [, , wanted, , limit] = numbers
  const counts = [kind, ...numbers].every((one) => Number.isFinite(one))
  return counts && (wanted as number) >= 0 && (limit as number) > 0
}
