/**
 * Reasoning effort in words (OpenAI) and thinking budgets in tokens (Anthropic's older models,
 * Gemini). The steps are ours: neither maker publishes any.
 */
export const EFFORTS = ['minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const
export type Effort = (typeof EFFORTS)[number]

/** The smallest that Anthropic allows. */
export const BUDGET_TOKENS_MIN = 1_024

const BUDGETS: Readonly<Record<Effort, number>> = {
  minimal: BUDGET_TOKENS_MIN,
  low: 4_096,
  medium: 10_240,
  high: 20_480,
  xhigh: 32_768,
  max: 49_152,
}

export function isEffort(value: unknown): value is Effort {
  return (EFFORTS as readonly unknown[]).includes(value)
}

export function budgetOf(effort: Effort): number {
  return BUDGETS[effort]
}

/** The least effort whose budget is enough. */
export function effortOf(budgetTokens: number): Effort {
  return EFFORTS.find((effort) => budgetTokens <= BUDGETS[effort]) ?? 'max'
}
