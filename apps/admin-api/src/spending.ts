import { type Bus } from '@signalbox/bus'
import { type Cancel, type Clock, Gauge, type Log, type Metrics } from '@signalbox/host'
import { type Budget, periodBegin, SPENDING_LINES_MAX, type SpendingLine } from '@signalbox/model'
import { type Store } from '@signalbox/store'

/** How often proxies are told. With what is on its way from them, it bounds what is overspent. */
export const SPENDING_MS = 2_000

export interface SpendingDeps {
  readonly store: Pick<Store, 'requests'>
  readonly bus: Pick<Bus, 'sendSpending'>
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

/**
 * Tells the proxies what keys with budgets have spent, and everybody when one is used up. Each
 * admin-api does: they say the same, and what was spent never goes down within a period.
 */
export class SpendingTeller {
  readonly #deps: SpendingDeps
  readonly #end: Cancel
  readonly #over: Gauge
  /** Keys whose budget is used up: `key day`, so that each is told of once a period. */
  #told = new Set<string>()
  #telling: Promise<void> | undefined

  constructor(deps: SpendingDeps) {
    this.#deps = deps
    this.#over = new Gauge({
      name: 'signalbox_budgets_exceeded',
      help: 'Keys whose budget of this period is used up, by what is done then',
      labelNames: ['action'],
      registers: [deps.metrics],
    })
    this.#end = deps.clock.every(SPENDING_MS, () => this.tell())
  }

  /** One at a time; a slow database is not asked again before it has answered. */
  tell(): Promise<void> {
    return (this.#telling ??= this.#tell()
      .catch((error: unknown) => {
        this.#deps.log.warn({ cause: String(error) }, 'what was spent is not known now')
      })
      .finally(() => (this.#telling = undefined)))
  }

  async stop(): Promise<void> {
    this.#end()
    await this.#telling
  }

  async #tell(): Promise<void> {
    const { store, bus, clock } = this.#deps
    const budgets = await store.requests.budgets()
    const nowMs = clock.nowMs()
    const begins = [...budgets].map(([key, { period }]) => ({
      key,
      day: periodBegin(period, nowMs),
    }))
    const spent = begins.length === 0 ? new Map() : await store.requests.spent(begins)
    const lines = begins.map(({ key, day }): SpendingLine => [key, day, spent.get(key) ?? 0])
    this.#count(lines, budgets)
    for (let from = 0; from < lines.length; from += SPENDING_LINES_MAX) {
      bus.sendSpending({ v: 1, lines: lines.slice(from, from + SPENDING_LINES_MAX) })
    }
  }

  #count(lines: readonly SpendingLine[], budgets: ReadonlyMap<string, Budget>): void {
    const over = { block: 0, alert: 0 }
    const told = new Set<string>()
    for (const [key, day, usd] of lines) {
      const budget = budgets.get(key)
      if (!budget || usd < budget.usd) continue
      over[budget.action] += 1
      const mark = `${key} ${day} ${budget.usd}`
      told.add(mark)
      if (this.#told.has(mark)) continue
      const { period, action } = budget
      this.#deps.log.warn({ key, spentUsd: usd, budgetUsd: budget.usd, period, action }, OVER)
    }
    this.#told = told
    for (const action of ['block', 'alert'] as const) this.#over.set({ action }, over[action])
  }
}

const OVER = 'a budget is used up'
