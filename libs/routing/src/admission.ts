import { type Limits, METER_KINDS, type MeterKind } from '@signalbox/model'
import { type Limiter, type Scope } from './limiter.ts'
import { ask, fullInMs, type Meter, remaining, take, waitMs } from './meter.ts'

/*
 * One request's way past its limits: enter() for each holder, reserve() once its size is known,
 * settle() once, however it ends. What was taken is given back where the request is refused; slots
 * are given back in any case; tokens are put right by what the answer says they were.
 */

export interface Refused {
  /** Of whose limit, as Scope.name has it. */
  readonly scope: string
  readonly kind: MeterKind
  /** Ms until it is worth trying again. */
  readonly waitMs: number
}

/** The tightest of the limits of one kind, for the client. */
export interface Standing {
  readonly limit: number
  readonly remaining: number
  readonly fullInMs: number
}

interface Needed {
  readonly units: number
  readonly nowMs: number
}

export class Admission {
  readonly #limiter: Limiter
  readonly #scopes: Scope[] = []
  #reserved = 0
  /** Of #scopes, how many have the reservation. */
  #reservedIn = 0
  #over = false
  /** Who refused it: nothing was taken there, but the client is told how it stands. */
  #refusing: Scope | undefined

  constructor(limiter: Limiter) {
    this.#limiter = limiter
  }

  /** Past the requests and slots of one holder. */
  enter(name: string, limits: Limits, nowMs: number): Refused | undefined {
    const scope = this.#limiter.scope(name, limits, nowMs)
    const { requests, slots } = scope
    const free = slots === null || ask(slots, 1, nowMs)
    const allowed = requests === null || ask(requests, 1, nowMs)
    if (free && allowed) {
      if (requests) take(requests, 1)
      if (slots) take(slots, 1)
      scope.users++
      this.#scopes.push(scope)
      this.#limiter.touched(scope)
      return undefined
    }
    this.#limiter.touched(scope)
    this.#refusing = scope
    return free && requests
      ? refusedBy(scope, requests, { units: 1, nowMs })
      : { scope: name, kind: 'slots', waitMs: 0 }
  }

  /** Past the tokens of all holders that were entered. */
  reserve(tokens: number, nowMs: number): Refused | undefined {
    this.#reserved = tokens
    for (const scope of this.#scopes) {
      if (scope.tokens && !ask(scope.tokens, tokens, nowMs)) {
        this.#limiter.touched(scope)
        return refusedBy(scope, scope.tokens, { units: tokens, nowMs })
      }
      if (scope.tokens) take(scope.tokens, tokens)
      this.#reservedIn++
      this.#limiter.touched(scope)
    }
    return undefined
  }

  /** In without being asked: what is over the limits becomes a debt. */
  force(
    name: string,
    limits: Limits,
    { tokens, nowMs }: { readonly tokens: number; readonly nowMs: number },
  ): void {
    const scope = this.#limiter.scope(name, limits, nowMs)
    this.#reserved = tokens
    for (const kind of METER_KINDS) {
      const meter = scope[kind]
      if (!meter) continue
      const units = kind === 'tokens' ? tokens : 1
      ask(meter, units, nowMs)
      take(meter, units)
    }
    scope.users++
    this.#scopes.push(scope)
    this.#reservedIn = this.#scopes.length
    this.#limiter.touched(scope)
  }

  /** Refused after all: as if it had never come. */
  giveBack(): void {
    if (this.#over) return
    for (const { requests } of this.#scopes) if (requests) take(requests, -1)
    this.settle(0)
  }

  /** It is over. `tokens`: what it was in the end; null: nobody knows, so it was as estimated. */
  settle(tokens: number | null): void {
    if (this.#over) return
    this.#over = true
    const more = tokens === null ? 0 : tokens - this.#reserved
    for (const [n, scope] of this.#scopes.entries()) {
      scope.users--
      if (scope.slots) take(scope.slots, -1)
      if (scope.tokens && n < this.#reservedIn) take(scope.tokens, more)
      this.#limiter.touched(scope)
    }
  }

  /** How the tightest limit of this kind stands; undefined where there is none. */
  standing(kind: 'requests' | 'tokens', nowMs: number): Standing | undefined {
    let tightest: Meter | undefined
    let least = Infinity
    for (const scope of this.#refusing ? [...this.#scopes, this.#refusing] : this.#scopes) {
      const meter = scope[kind]
      const left = meter ? remaining(meter, nowMs) : Infinity
      if (meter && left < least) {
        tightest = meter
        least = left
      }
    }
    return tightest && standingOf(tightest, nowMs)
  }
}

/** How one limit stands. */
export function standingOf(meter: Meter, nowMs: number): Standing {
  return {
    limit: meter.limit,
    remaining: remaining(meter, nowMs),
    fullInMs: fullInMs(meter, nowMs),
  }
}

function refusedBy(scope: Scope, meter: Meter, { units, nowMs }: Needed): Refused {
  return { scope: scope.name, kind: meter.kind, waitMs: waitMs(meter, units, nowMs) }
}
