export interface EventuallyOptions {
  /** When to give up. */
  readonly timeoutMs?: number
  /** Pause between two checks. */
  readonly periodMs?: number
}

const TIMEOUT_MS = 60_000
const PERIOD_MS = 10

/**
 * Waits until `check` answers something (neither false nor undefined) without throwing, and answers
 * that. For what happens in other processes or behind sockets, where there is no event to wait for.
 * Throws the last error of `check` when time is up. Checks that only assert end with `return true`.
 */
export async function eventually<Value>(
  check: () => Value | Promise<Value>,
  { timeoutMs = TIMEOUT_MS, periodMs = PERIOD_MS }: EventuallyOptions = {},
): Promise<Exclude<Value, false | undefined>> {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    let problem: unknown
    try {
      const value = await check()
      if (value !== false && value !== undefined) {
        return value as Exclude<Value, false | undefined>
      }
      problem = new Error(`the condition still answered ${value}`)
    } catch (error) {
      problem = error
    }
    if (performance.now() >= deadlineMs) {
      throw new Error(`not within ${timeoutMs} ms: ${messageOf(problem)}`, { cause: problem })
    }
    await new Promise((resolve) => setTimeout(resolve, periodMs))
  }
}

function messageOf(problem: unknown): string {
  return problem instanceof Error ? problem.message : String(problem)
}
