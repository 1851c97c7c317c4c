import { type Clock } from '@signalbox/host'
import { type Failure, periodBegin, type Spending } from '@signalbox/model'
import { type CompiledKey } from '@signalbox/routing'
import { downstream } from './failures.ts'

/*
 * What keys with a budget have spent, as this data plane knows it: the last that the admin API said
 * (it adds up what proxies report) and, since then, what was spent here. A sum never goes down
 * within its period, so the higher of the two is the nearer one, and it is never over the truth.
 */

const KEYS_MAX = 100_000

interface Spent {
  beginDay: number
  usd: number
}

export class Budgets {
  readonly #clock: Clock
  readonly #spent = new Map<string, Spent>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Refuses who has a budget that is used up, and is to be refused then. */
  check({ id, budget }: CompiledKey): Failure | undefined {
    if (budget?.action !== 'block') return undefined
    const spent = this.#spent.get(id)
    if (!spent || spent.usd < budget.usd) return undefined
    if (spent.beginDay !== periodBegin(budget.period, this.#clock.nowMs())) return undefined
    const per = budget.period === 'total' ? '' : ` of this ${budget.period}`
    return downstream('budget_exceeded', `the key has used up its budget${per}`)
  }

  /** One request is over. */
  add({ id, budget }: CompiledKey, usd: number): void {
    if (!budget || usd <= 0) return
    this.#entry(id, periodBegin(budget.period, this.#clock.nowMs())).usd += usd
  }

  hear({ lines }: Spending): void {
    for (const [id, beginDay, usd] of lines) {
      const entry = this.#entry(id, beginDay)
      entry.usd = Math.max(entry.usd, usd)
    }
  }

  /** Of this period. A word of one that is over changes nothing. */
  #entry(id: string, beginDay: number): Spent {
    const known = this.#spent.get(id)
    if (known && known.beginDay === beginDay) return known
    if (known && known.beginDay > beginDay) return { beginDay, usd: 0 }
    const [oldest] = this.#spent.keys()
    if (!known && oldest !== undefined && this.#spent.size >= KEYS_MAX) this.#spent.delete(oldest)
    const fresh = { beginDay, usd: 0 }
    this.#spent.set(id, fresh)
    return fresh
  }
}
