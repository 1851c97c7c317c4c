import {
  type CompiledRoute,
  type CompiledTarget,
  earnHedge,
  type Hedging,
  lateAfterMs,
  openHedging,
  type Outcome,
  payHedge,
  type Recorded,
  type Table,
} from '@signalbox/routing'
import { type Asked, type Passage, type Pipeline } from './passage.ts'
import { type Lane, Race } from './race.ts'

/** What each route has seen and may spend. It survives table swaps. */
export class Hedges {
  readonly #byRoute = new Map<string, Hedging>()

  of({ id }: CompiledRoute, { routes }: Table): Hedging {
    const known = this.#byRoute.get(id)
    if (known) return known
    // Routes that are gone leave theirs behind; now and then they are cleared away.
    if (this.#byRoute.size > 2 * routes.size) {
      for (const name of this.#byRoute.keys()) if (!routes.has(name)) this.#byRoute.delete(name)
    }
    const made = openHedging()
    this.#byRoute.set(id, made)
    return made
  }
}

/**
 * Whether a second attempt may be made beside the first: the policy wants it, and nothing but the
 * answer comes of the request. What is read as it comes can be read once.
 */
export function mayHedge(
  { operation }: Passage,
  { upload, route }: Pick<Asked, 'upload' | 'route'>,
): boolean {
  const { hedge } = route.policy
  return hedge.enabled && !upload && (hedge.unsafe || operation.repeatable === true)
}

export type Picked = Recorded & { readonly target: CompiledTarget }

export interface Hedged {
  readonly first: Picked
  readonly begin: (picked: Picked, run: Run) => Promise<Outcome>
  /** Another target for the same request; undefined: there is none that may be asked. */
  readonly another: () => Picked | undefined
}

/** One attempt, where it is one of several at the same time. */
export interface Run {
  readonly race: Race
  readonly lane: Lane
}

/** An attempt, and a second one beside it if it is late. */
export async function hedged(
  pipeline: Pipeline,
  passage: Passage,
  { route, scan, first, begin, another }: Asked & Hedged,
): Promise<Outcome> {
  const { hedges, metrics } = pipeline
  const { routing, operation } = passage
  if (!routing) throw new Error('an attempt without a table')
  const hedging = hedges.of(route, routing.table)
  const delays = scan.stream || operation.streams === 'always' ? hedging.streams : hedging.plain
  if (passage.attempts === 0) earnHedge(hedging, route.policy)
  const lateMs = lateAfterMs(delays, route.policy)
  const race = new Race(pipeline, passage, delays)
  const run = (picked: Picked) => {
    const lane = race.enter()
    return begin(picked, { race, lane }).finally(() => race.end(lane))
  }
  const open = lateMs === undefined ? undefined : race.isOpenAfter(lateMs)
  const outcome = run(first)
  if (!(await open) || passage.response.destroyed) return outcome
  const picked = another()
  if (!picked) return outcome
  if (!payHedge(hedging)) {
    metrics.hedgeRefused()
    return outcome
  }
  const [one, other] = await Promise.all([outcome, run(picked)])
  const { winner } = race
  metrics.hedge(winner ? (winner.second ? 'won' : 'lost') : 'failed')
  if (winner) return winner.second ? other : one
  return worse(one, other)
}

/** Of two failures the one that leaves less to try: the backend may have run the request. */
function worse(one: Outcome, other: Outcome): Outcome {
  if (other.kind === 'failed' && other.failure.code === 'untranslatable') return one
  return one.kind === 'failed' && !one.failure.nothingSent ? one : other
}
