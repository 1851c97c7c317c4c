import { type Failure, type PickInputs } from '@signalbox/model'
import {
  backoffMs,
  type CompiledRoute,
  type CompiledTarget,
  earnRetries,
  fallbackChain,
  fallsBack,
  hasSomebody,
  next,
  type Outcome,
  payRetry,
  type PickContext,
  record,
  type RetryBudget,
  retriesStatus,
  whyNone,
} from '@signalbox/routing'
import { affinityOf } from './affinity.ts'
import { attempt } from './attempt.ts'
import { type Routing } from './configuration.ts'
import { internal } from './failures.ts'
import { hedged, mayHedge, type Run } from './hedge.ts'
import { keepAliveOf } from './keep-alive.ts'
import { type Asked, CLIENT_LEFT, type Passage, type Pipeline } from './passage.ts'
import { toMicroseconds } from './request-record.ts'

/** The route's own attempts, then those of its fallbacks, until somebody has answered. */
export async function alongFallbacks(
  pipeline: Pipeline,
  passage: Passage,
  asked: Asked,
): Promise<Failure | undefined> {
  const { routing } = passage
  if (!routing) throw new Error('a route without a table')
  passage.keepAlive = keepAliveOf(pipeline, passage, asked)
  const chain = fallbackChain(routing.table, asked.route)
  let failure: Failure | undefined
  /** Nobody can say the request in their dialect: what the client hears if nobody else takes it. */
  let refused: Failure | undefined
  for (const [n, route] of chain.entries()) {
    if (n > 0) {
      pipeline.metrics.fallback(asked.route.id, route.id)
      passage.code = null
      passage.fallback = route.id
    }
    const rest = chain.slice(n + 1)
    const hasNext = () => rest.some((one) => hasSomebody(one, contextOf(pipeline, routing)))
    failure = await attempts(pipeline, passage, { ...asked, route, routing, hasNext })
    if (!failure || !fallsBack(failure) || asked.upload?.isRead) return failure
    if (failure.code === 'untranslatable') refused ??= failure
  }
  return refused ?? failure
}

function contextOf({ clock, random }: Pipeline, { live }: Routing): PickContext {
  return { live, nowMs: clock.monotonicMs(), random, tried: [] }
}

interface Trying extends Asked {
  readonly routing: Routing
  /** Whether another route is asked where this one has nobody. */
  readonly hasNext: () => boolean
}

/** Attempts, each at another backend where it can be, until next() says otherwise. */
async function attempts(
  pipeline: Pipeline,
  passage: Passage,
  trying: Trying,
): Promise<Failure | undefined> {
  const { clock, random, place } = pipeline
  const { route, routing, hasNext } = trying
  const { attempted } = passage
  const retries = new Retries(pipeline, trying)
  const hash = affinityOf(route.policy, passage, trying)
  const tried: number[] = []
  let last: Failed | undefined
  for (;;) {
    // It may have left while nobody listened for that; then no backend need do the work.
    if (passage.response.destroyed) return CLIENT_LEFT
    const context = { live: routing.live, nowMs: clock.monotonicMs(), random, tried, hash, place }
    const { target, inputs } = record(route, context)
    if (!target) {
      // Only a refusal in words may be over in a moment; where nobody listens, nobody will soon.
      const again = last?.status !== undefined && tried.length > 0 && !hasNext()
      if (!last || !again) {
        const code = whyNone(route, context)
        attempted.push({ ...under(route, passage), backend: null, outcome: code, ms: 0, inputs })
        return last?.failure ?? noTarget(route, code)
      }
      const facts = { retries: retries.made, askedMs: last.askedMs ?? 0 }
      await pause(pipeline, passage, backoffMs(route.policy, facts, random))
      tried.length = 0
      continue
    }
    tried.push(target.backend.index)
    const counting = { ...trying, target, inputs, retries }
    const outcome = mayHedge(passage, trying)
      ? await withHedge(pipeline, passage, { ...counting, tried, hash })
      : await counted(pipeline, passage, counting)
    if (outcome.kind === 'answered') return undefined
    // Nobody was asked: another backend may speak the client's dialect.
    if (outcome.failure.code === 'untranslatable') {
      last ??= outcome
      passage.attempts--
      retries.made--
      continue
    }
    last = outcome
    if (retries.follow(outcome)) continue
    passage.code = outcome.failure.code
    return outcome.begun ? undefined : outcome.failure
  }
}

type Failed = Extract<Outcome, { kind: 'failed' }>

interface Counted extends Trying {
  readonly target: CompiledTarget
  readonly inputs: PickInputs | null
  readonly retries: Retries
  /** Where another one may be under way. */
  readonly run?: Run
}

/** The same, and a second one in the same tier if it is late. Adds to `tried` where it is made. */
function withHedge(
  pipeline: Pipeline,
  passage: Passage,
  { tried, hash, ...counting }: Counted & { tried: number[]; hash: number | undefined },
): Promise<Outcome> {
  const { clock, random, place } = pipeline
  const { route, routing, target, inputs } = counting
  const tier = route.tiers.find(({ targets }) => targets.includes(target))
  return hedged(pipeline, passage, {
    ...counting,
    first: { target, inputs },
    begin: (picked, run) => counted(pipeline, passage, { ...counting, ...picked, run }),
    another: () => {
      const nowMs = clock.monotonicMs()
      const picked = record(route, { live: routing.live, nowMs, random, tried, hash, place })
      if (!picked.target || !tier?.targets.includes(picked.target)) return undefined
      tried.push(picked.target.backend.index)
      return { target: picked.target, inputs: picked.inputs }
    },
  })
}

/** One attempt, and what is told of it. */
async function counted(
  pipeline: Pipeline,
  passage: Passage,
  { retries, inputs, ...trying }: Counted,
): Promise<Outcome> {
  const { clock, metrics } = pipeline
  const { run, target, routing } = trying
  const backend = target.backend.id
  const startMs = clock.monotonicMs()
  const hedge = run?.lane.second === true
  passage.attempts++
  if (!hedge) retries.made++
  const dismisses = (status: number) =>
    run?.race.passesOver(run.lane, status) === true || retries.dismisses(status)
  const live = routing.live[target.backend.index]
  const span = live && passage.trace?.attempt(passage, live, target.model)
  const ended = await attempt(pipeline, passage, { ...trying, dismisses, span })
  const outcome = run?.lane.outrun ? 'outrun' : labelOf(ended)
  span?.end({ outcome, hedge })
  const durationMs = clock.monotonicMs() - startMs
  metrics.attempt({ backend, outcome, durationMs })
  const ms = toMicroseconds(durationMs)
  const what = hedge ? { ...under(trying.route, passage), hedge } : under(trying.route, passage)
  passage.attempted.push({ ...what, backend, outcome, ms, inputs })
  // Counted before: a removed backend takes its series with it.
  if (live) pipeline.configuration.reap(live)
  return ended
}

/** A record says only which fallback it was. */
function under({ id }: CompiledRoute, { route }: Passage): { route?: string } {
  return id === route?.id ? {} : { route: id }
}

function labelOf(ended: Outcome): string {
  return ended.kind === 'answered' ? 'answered' : reasonOf(ended)
}

function reasonOf({ failure, status }: Failed): string {
  return status === undefined ? failure.code : `status_${status}`
}

/** What this request may still try on one route, and who pays for it. */
class Retries {
  made = 0
  /** The next attempt is paid for already. */
  #paid = false
  readonly #pipeline: Pipeline
  readonly #trying: Trying
  readonly #budget: RetryBudget

  constructor(pipeline: Pipeline, trying: Trying) {
    const { route, routing } = trying
    const nowMs = pipeline.clock.monotonicMs()
    this.#pipeline = pipeline
    this.#trying = trying
    this.#budget = pipeline.retryBudgets.of(route, routing.table, nowMs)
    earnRetries(this.#budget, route.policy.retry.budgetPercent, nowMs)
  }

  /**
   * Whether an answer of this status is kept from the client. Only where another attempt is sure to
   * follow, or another route: the last answer is the client's, whatever it says.
   */
  dismisses(status: number): boolean {
    const { policy } = this.#trying.route
    if (this.#trying.upload?.isRead || !retriesStatus(policy, status)) return false
    if (this.made <= policy.retry.maxRetries && this.#pay()) this.#paid = true
    return this.#paid || this.#trying.hasNext()
  }

  /** Whether another attempt on this route follows the one that failed so. */
  follow(outcome: Failed): boolean {
    const { maxRetries, on } = this.#trying.route.policy.retry
    const onConnect = on.includes('connect')
    if (this.#trying.upload?.isRead) return false
    const step = next(outcome, { attempts: this.made, maxRetries, onConnect })
    if (step.kind !== 'again' || !(this.#paid || (outcome.status === undefined && this.#pay()))) {
      return false
    }
    this.#paid = false
    this.#pipeline.metrics.retry(reasonOf(outcome))
    return true
  }

  #pay(): boolean {
    const paid = payRetry(this.#budget, this.#trying.route.policy.retry.budgetPercent)
    if (!paid) this.#pipeline.metrics.retryRefused()
    return paid
  }
}

/** Settles after the time, or when the client leaves. */
function pause({ clock }: Pipeline, { response }: Passage, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      cancel()
      response.off('close', done)
      resolve()
    }
    const cancel = clock.after(ms, done)
    response.once('close', done)
  })
}

function noTarget(route: CompiledRoute, code: 'no_backend' | 'backend_full'): Failure {
  const why = code === 'no_backend' ? 'no backend is up' : 'every backend is busy'
  return internal(code, `${why} for the model ${JSON.stringify(route.id)}`)
}
