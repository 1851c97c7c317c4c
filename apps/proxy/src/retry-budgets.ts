import {
  type CompiledRoute,
  openRetryBudget,
  type RetryBudget,
  type Table,
} from '@signalbox/routing'

/** A bucket for each route. It survives table swaps: a change is no reason to retry more. */
export class RetryBudgets {
  readonly #byRoute = new Map<string, RetryBudget>()

  of({ id }: CompiledRoute, { routes }: Table, nowMs: number): RetryBudget {
    const known = this.#byRoute.get(id)
    if (known) return known
    // Routes that are gone leave theirs behind; now and then they are cleared away.
    if (this.#byRoute.size > 2 * routes.size) {
      for (const name of this.#byRoute.keys()) if (!routes.has(name)) this.#byRoute.delete(name)
    }
    const budget = openRetryBudget(nowMs)
    this.#byRoute.set(id, budget)
    return budget
  }
}
