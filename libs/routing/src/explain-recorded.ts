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

/** A recorded attempt's decision made again. The table must be one that nobody else picks from. */
export function explainRecorded(
  { model, attempts, at }: AttemptAsked,
  known: Omit<Explaining, 'context' | 'looked'>,
): ExplainedAttempt {
  const { table } = known
  const tried = attempts.slice(0, at).flatMap(({ backend }) => backend ?? [])
  const { inputs = null, backend = null } = attempts[at] ?? {}
  const route = match(table, model)
  const prepared = route && prepare(table, route, { inputs, tried })
  if (!prepared?.ok) {
    const context = {
      live: table.backends.map(({ id }) => standIn(id)),
      nowMs: 0,
      random: () => 0,
      tried: tried.flatMap((id) => table.backendById.get(id)?.index ?? []),
    }
    const explanation = explain(model, { ...known, context })
    return { inexact: prepared?.error ?? 'other_targets', explanation }
  }
  const explanation = explain(model, { ...known, ...prepared.value })
  const same = (explanation.picked?.backend ?? null) === backend
  return { inexact: same ? null : 'other_pick', explanation }
}
