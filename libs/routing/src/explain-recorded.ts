import { type AttemptRecord } from '@signalbox/model'
import { match } from './compile.ts'
import { explain, type Explaining, type Explanation } from './explain.ts'
import { type Inexact, prepare, standIn } from './replay.ts'

export interface ExplainedAttempt {
  /** Null: exactly as it was; otherwise why not, and then all backends are taken as up and idle. */
  readonly inexact: Inexact | null
  readonly explanation: Explanation
}

export interface AttemptAsked {
  /** As the client wrote it. */
  readonly model: string
  readonly attempts: readonly AttemptRecord[]
  /** Which of them, from 0. */
  readonly at: number
}

/**
 * A recorded attempt's decision made again, under the route that it was made for. The table must be
 * one that nobody else picks from.
 */
export function explainRecorded(
  { model, attempts, at }: AttemptAsked,
  known: Omit<Explaining, 'context' | 'looked' | 'only'>,
): ExplainedAttempt {
  const { table } = known
  const { inputs = null, backend = null, route: fallback } = attempts[at] ?? {}
  const route = fallback === undefined ? match(table, model) : table.routes.get(fallback)
  const prepared = route && prepare(table, route, inputs)
  const only = route ? { only: route } : {}
  if (!prepared?.ok) {
    // As far as it is known: after a pause the same ones are asked again.
    const tried = attempts.slice(0, at).filter((one) => one.route === fallback)
    const context = {
      live: table.backends.map(({ id }) => standIn(id)),
      nowMs: 0,
      random: () => 0,
      tried: tried.flatMap((one) => table.backendById.get(one.backend ?? '')?.index ?? []),
    }
    const explanation = explain(model, { ...known, ...only, context })
    return { inexact: prepared?.error ?? 'other_targets', explanation }
  }
  const explanation = explain(model, { ...known, ...only, ...prepared.value })
  const same = (explanation.picked?.backend ?? null) === backend
  return { inexact: same ? null : 'other_pick', explanation }
}
