import { type Clock } from '@signalbox/host'
import {
  type Failure,
  type LeaseReport,
  type RequestRecord,
  type Spending,
  TOKENS_UNKNOWN,
} from '@signalbox/model'
import {
  Admission,
  type CompiledRoute,
  LEASE_MS,
  Limiter,
  type Refused,
  type Standing,
  type Table,
} from '@signalbox/routing'
import { Budgets } from './budgets.ts'
import { clientAddress } from './client-address.ts'
import { costOfRequest } from './cost.ts'
import { downstream } from './failures.ts'
import { type LimiterMetrics } from './limiter-metrics.ts'
import { type Live } from './live-backend.ts'
import { type Asked, type PassageFacts } from './passage.ts'
import { estimateTokens } from './token-estimate.ts'

const MS_PER_S = 1_000
const FLEET = 'fleet'

/** What others say of what is shared: other data planes, and the admin API. */
export interface LeaseHearing {
  readonly leases: (report: LeaseReport) => void
  readonly spending: (spending: Spending) => void
}

/** The way to the other data planes. */
export interface LeaseLane {
  say(report: LeaseReport): void
  /** Nobody can be heard. */
  cut(): boolean
  end(): void
}

export interface LimitsOptions {
  readonly clock: Clock
  readonly metrics: LimiterMetrics
  /** This start of this data plane. */
  readonly from: string
  readonly openLane: (hearing: LeaseHearing) => LeaseLane
  /** Backends whose limits may have been used up by others. */
  readonly backends: () => Iterable<Live>
}

/**
 * The limits of requests, as this data plane keeps them: libs/routing limiter.ts counts, here they
 * are asked for at the right places. A request that nothing limits meets none of this.
 */
export class RequestLimits {
  readonly #options: LimitsOptions
  readonly #limiter: Limiter
  readonly #lane: LeaseLane
  readonly #budgets: Budgets
  readonly #endTicks: () => void

  constructor(options: LimitsOptions) {
    const { clock, from, openLane, metrics } = options
    this.#options = options
    this.#limiter = new Limiter(from)
    this.#lane = openLane({
      leases: (report) => {
        if (!this.#limiter.hear(report, clock.monotonicMs())) return
        metrics.heard()
        this.#lookAtBackends()
      },
      spending: (spending) => this.#budgets.hear(spending),
    })
    this.#budgets = new Budgets(clock)
    this.#endTicks = clock.every(LEASE_MS, () => this.#endLeases())
  }

  /** Holders of limits that are known here, and data planes that share them. */
  counts(): { readonly scopes: number; readonly planes: number } {
    return { scopes: this.#limiter.scopes, planes: this.#limiter.planes }
  }

  /** Before the body is read: requests and slots of the fleet, the address and the key. */
  admit(passage: PassageFacts, table: Table): Failure | undefined {
    const { limits, addressLimits, trustedProxies } = table
    if (limits) {
      const failure = this.#enter(passage, FLEET, limits)
      if (failure) return failure
    }
    if (addressLimits) {
      const address = clientAddress(passage.request, trustedProxies)
      const failure = address && this.#enter(passage, `address:${address}`, addressLimits)
      if (failure) return failure
    }
    const { key } = passage
    const broke = key && this.#budgets.check(key)
    if (broke) return broke
    return key?.limits ? this.#enter(passage, `key:${key.id}`, key.limits) : undefined
  }

  /** Once the route and the size are known: the route's own limits, and everybody's tokens. */
  reserve(passage: PassageFacts, { id, policy }: CompiledRoute, body: Buffer): Failure | undefined {
    if (policy.limits) {
      const failure = this.#enter(passage, `route:${id}`, policy.limits)
      if (failure) return failure
    }
    const { admission } = passage
    if (!admission) return undefined
    const nowMs = this.#options.clock.monotonicMs()
    const refused = admission.reserve(estimateTokens(body), nowMs)
    if (refused) return this.#refuse(passage, refused)
    passage.limitHeaders = this.headers(passage)
    return undefined
  }

  /** An attempt begins. What it takes is put right by the answer that is returned. */
  atBackend(live: Live, { body }: Asked): ((tokens: number | null) => void) | undefined {
    const { limits } = live.backend
    if (!limits) return undefined
    const nowMs = this.#options.clock.monotonicMs()
    const admission = new Admission(this.#limiter)
    const estimate = limits.tpm === undefined ? 0 : estimateTokens(body)
    // It was picked: what is over the limit becomes a debt.
    admission.force(`backend:${live.id}`, limits, { tokens: estimate, nowMs })
    this.#lookAt(live, nowMs)
    this.#options.metrics.count('backend', true)
    return (tokens) => {
      admission.settle(tokens)
      this.#lookAt(live, this.#options.clock.monotonicMs())
    }
  }

  /** It is over, however it ended. */
  settle(passage: PassageFacts): void {
    const { admission, refused, attempts, firstByteMs } = passage
    if (!admission) return
    if (refused) admission.giveBack()
    else admission.settle(attempts === 0 || firstByteMs === null ? 0 : usedBy(passage))
  }

  /** Its record with what it cost, which counts in the budget of its key. */
  priced(passage: PassageFacts, record: RequestRecord): RequestRecord {
    const { key, route, firstByteMs } = passage
    const costUsd = costOfRequest(passage, record)
    if (costUsd !== null && key) this.#budgets.add(key, costUsd)
    if (route && firstByteMs !== null) {
      this.#options.metrics.spent(route.id, record.tokens, costUsd)
    }
    return { ...record, costUsd }
  }

  /** `x-ratelimit-*` of the tightest limits, as OpenAI writes them; name, value, name ... */
  headers({ admission, refused }: PassageFacts): readonly string[] {
    if (!admission) return NONE
    const nowMs = this.#options.clock.monotonicMs()
    const out = [
      ...headersOf('requests', admission.standing('requests', nowMs)),
      ...headersOf('tokens', admission.standing('tokens', nowMs)),
    ]
    if (refused) out.push('retry-after', String(Math.max(1, Math.ceil(refused.waitMs / MS_PER_S))))
    return out
  }

  stop(): void {
    this.#endTicks()
    this.#lane.end()
  }

  #enter(
    passage: PassageFacts,
    scope: string,
    limits: Parameters<Admission['enter']>[1],
  ): Failure | undefined {
    const admission = (passage.admission ??= new Admission(this.#limiter))
    const refused = admission.enter(scope, limits, this.#options.clock.monotonicMs())
    this.#options.metrics.count(kindOf(scope), !refused)
    return refused && this.#refuse(passage, refused)
  }

  #refuse(passage: PassageFacts, refused: Refused): Failure {
    passage.refused = refused
    if (refused.kind === 'tokens') this.#options.metrics.count(kindOf(refused.scope), false)
    const what = refused.kind === 'slots' ? 'requests at a time' : `${refused.kind} a minute`
    return downstream('rate_limited', `${holderOf(refused.scope)} has used up its ${what}`)
  }

  #endLeases(): void {
    const report = this.#limiter.endLeases(this.#options.clock.monotonicMs(), this.#lane.cut())
    if (report) this.#lane.say(report)
  }

  #lookAtBackends(): void {
    const nowMs = this.#options.clock.monotonicMs()
    for (const live of this.#options.backends()) {
      if (live.backend.limits) this.#lookAt(live, nowMs)
    }
  }

  /** Until when nobody picks it. */
  #lookAt(live: Live, nowMs: number): void {
    const { limits } = live.backend
    const scope = limits && this.#limiter.scope(`backend:${live.id}`, limits, nowMs)
    live.spentUntilMs = scope ? nowMs + this.#limiter.untilFree(scope, nowMs) : 0
  }
}

const NONE: readonly string[] = []

function kindOf(scope: string): string {
  return scope.split(':', 1)[0] ?? scope
}

function holderOf(scope: string): string {
  const [kind = '', ...rest] = scope.split(':')
  const name = JSON.stringify(rest.join(':'))
  if (kind === 'key') return 'the key'
  if (kind === 'route') return `the model ${name}`
  return kind === 'address' ? "the client's address" : 'the fleet'
}

function headersOf(kind: 'requests' | 'tokens', standing: Standing | undefined): readonly string[] {
  if (!standing) return NONE
  const { limit, remaining, fullInMs } = standing
  return [
    `x-ratelimit-limit-${kind}`,
    String(limit),
    `x-ratelimit-remaining-${kind}`,
    String(remaining),
    `x-ratelimit-reset-${kind}`,
    `${Math.ceil(fullInMs / MS_PER_S)}s`,
  ]
}

/** Tokens that count against limits a minute; null: the backend did not say. */
export function usedBy({ tokens, exchange }: PassageFacts): number | null {
  const { prompt, completion } = tokens === TOKENS_UNKNOWN ? (exchange?.tokens() ?? tokens) : tokens
  return prompt === null && completion === null ? null : (prompt ?? 0) + (completion ?? 0)
}
