import * as z from 'zod'
import { strict } from './fields.ts'

/** In UTC; a week begins on Monday. */
export const BUDGET_PERIODS = ['day', 'week', 'month', 'total'] as const
export type BudgetPeriod = (typeof BUDGET_PERIODS)[number]

export const budgetSpec = strict({
  usd: z.number().positive().max(1_000_000_000),
  period: z.enum(BUDGET_PERIODS).default('month'),
  /** When it is used up: `block` refuses, `alert` only says so. */
  action: z.enum(['block', 'alert']).default('block'),
})
/** What may be spent in a period. */
export type Budget = Readonly<z.output<typeof budgetSpec>>

const DAY_MS = 86_400_000
/** 1 January 1970 was a Thursday. */
const MONDAY = 3
const WEEK = 7
/** Hinnant's calendar: eras of 400 years, and years that begin in March. */
const ERA_DAYS = 146_097
const EPOCH_DAYS = 719_468

/** The day, counted from 1 January 1970, with which the period begins that has this time in it. */
export function periodBegin(period: BudgetPeriod, nowMs: number): number {
  const day = Math.floor(nowMs / DAY_MS)
  if (period === 'day') return day
  if (period === 'week') return day - ((day + MONDAY) % WEEK)
  return period === 'month' ? day - dayOfMonth(day) + 1 : 0
}

function dayOfMonth(day: number): number {
  const shifted = day + EPOCH_DAYS
  const dayOfEra = shifted - Math.floor(shifted / ERA_DAYS) * ERA_DAYS
  const leaps = Math.floor(dayOfEra / 1_460)
  const centuries = Math.floor(dayOfEra / 36_524)
  const eras = Math.floor(dayOfEra / 146_096)
  const yearOfEra = Math.floor((dayOfEra - leaps + centuries - eras) / 365)
  const before = 365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100)
  const dayOfYear = dayOfEra - before
  const month = Math.floor((5 * dayOfYear + 2) / 153)
  return dayOfYear - Math.floor((153 * month + 2) / 5) + 1
}

/** What a key has spent since the day with which its budget's period began. */
export type SpendingLine = readonly [key: string, beginDay: number, usd: number]

/** What the admin API tells proxies of the keys that have budgets; parts come as messages do. */
export interface Spending {
  readonly v: 1
  readonly lines: readonly SpendingLine[]
}

/** Lines of one message. */
export const SPENDING_LINES_MAX = 4_096
const LINE_LENGTH = 3

/** A message, where this is one: it comes from another process. */
export function readSpending(value: unknown): Spending | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { v, lines } = value as Partial<Spending>
  if (v !== 1 || !Array.isArray(lines) || lines.length > SPENDING_LINES_MAX) return undefined
  const right = lines.every((line: unknown) => {
    if (!Array.isArray(line) || line.length !== LINE_LENGTH) return false
    const [key, beginDay, usd] = line as unknown[]
    return typeof key === 'string' && Number.isInteger(beginDay) && Number.isFinite(usd)
  })
  return right ? { v, lines } : undefined
}
