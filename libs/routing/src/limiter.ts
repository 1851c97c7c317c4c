import {
  type LeaseLine,
  type LeaseReport,
  type Limits,
  METER_KINDS,
  type MeterKind,
} from '@signalbox/model'
import {
  endLease,
  isIdle,
  type Meter,
  openMeter,
  setLimit,
  setShare,
  takenElsewhere,
  waitMs,
} from './meter.ts'

/*
 * All meters of one proxy, and what it and its peers tell each other of them.
 *
 *     request -> scope (who is limited) -> meters
 *     every LEASE_MS: endLeases() -> report -> bus -> hear() of every other proxy
 *
 * A report says of each meter what was taken in all, so that a lost one is made up for by the next.
 * A number that only grows belongs to one start of one proxy: `from` is new with each. Who has
 * not been heard of for HEARD_MS is gone: what it wanted counts no more, and its slots are free.
 */

/** A proxy says at least this often that it is there. */
export const HERE_MS = 1_000
/** Who is silent so long is gone. */
export const HEARD_MS = 4_000
/** Meters of one report; the others' turn is in the next one. */
export const REPORTED_MAX = 1_000
/** Holders of limits that are known at a time: over it, the oldest go. */
export const SCOPES_MAX = 100_000
/** Of these a sweep looks at so many in each lease. */
const SWEPT_MAX = 1_000
const PEERS_MAX = 1_000

/** Whoever is limited: a key, a route, a backend, an address, the fleet. */
export interface Scope {
  readonly name: string
  readonly requests: Meter | null
  readonly tokens: Meter | null
  readonly slots: Meter | null
  /** Requests that are inside. */
  users: number
}
interface Kept extends Scope {
  requests: Meter | null
  tokens: Meter | null
  slots: Meter | null
  usedMs: number
}

interface Peer {
  heardMs: number
  /** By scope and kind. */
  readonly lines: Map<string, HeardLine>
}
interface HeardLine {
  readonly meter: Meter
  total: number
  wanted: number
  heardMs: number
}

export class Limiter {
  readonly #from: string
  readonly #scopes = new Map<string, Kept>()
  /** Meters that the others have to be told of. */
  readonly #open = new Map<Meter, string>()
  readonly #peers = new Map<string, Peer>()
  #sweep: Iterator<Kept> | undefined
  #saidMs = -Infinity
  #parts = 1
  #cut = false

  constructor(from: string) {
    this.#from = from
  }

  get scopes(): number {
    return this.#scopes.size
  }

  /** Data planes that are known, this one among them. */
  get planes(): number {
    return this.#peers.size + 1
  }

  /** The meters of a holder, by the limits that it has now. */
  scope(name: string, limits: Limits, nowMs: number): Scope {
    const scope = this.#scopes.get(name) ?? this.#add(name)
    scope.usedMs = nowMs
    this.#fit(scope, 'requests', limits.rpm)
    this.#fit(scope, 'tokens', limits.tpm)
    this.#fit(scope, 'slots', limits.concurrency)
    return scope
  }

  /** A meter was asked or taken from: the others are told. */
  touched(scope: Scope): void {
    const { name, requests, tokens, slots } = scope
    if (requests && !requests.told) this.#open.set(requests, name)
    if (tokens && !tokens.told) this.#open.set(tokens, name)
    if (slots && !slots.told) this.#open.set(slots, name)
  }

  /** Ms until one more request may be taken, with the first of its tokens. */
  untilFree({ requests, tokens }: Scope, nowMs: number): number {
    const ofRequests = requests ? waitMs(requests, 1, nowMs) : 0
    return tokens ? Math.max(ofRequests, waitMs(tokens, 1, nowMs)) : ofRequests
  }

  /**
   * Every LEASE_MS. What is to be told, or null where there is nothing. `cut`: nobody hears or is
   * heard, so every meter keeps to the part that it has among those that were there.
   */
  endLeases(nowMs: number, cut: boolean): LeaseReport | null {
    if (this.#cut && !cut) this.#begin(nowMs)
    this.#cut = cut
    if (!cut) this.#forgetPeers(nowMs)
    this.#setParts(cut ? this.planes : 1)
    const lines: LeaseLine[] = []
    for (const [meter, name] of this.#open) {
      if (lines.length >= REPORTED_MAX) break
      this.#open.delete(meter)
      const { taken } = meter
      endLease(meter)
      const { kind, total, wanted, level, limit } = meter
      lines.push([name, METER_KINDS.indexOf(kind), total, taken, wanted, level, limit])
      // Once more after the last time: that it wants nothing now.
      meter.told = wanted === 0 && (kind !== 'slots' || total === 0)
      if (!meter.told) this.#open.set(meter, name)
    }
    this.#sweepSome(nowMs)
    if (cut || (lines.length === 0 && nowMs - this.#saidMs < HERE_MS)) return null
    this.#saidMs = nowMs
    return { v: 1, from: this.#from, lines }
  }

  /** Another data plane has said what it took; false: nothing of it counts. Ours may come back. */
  hear({ from, lines }: LeaseReport, nowMs: number): boolean {
    // What is heard before the cut is over here has been allowed for already.
    if (from === this.#from || this.#cut) return false
    const peer = this.#peers.get(from) ?? { heardMs: nowMs, lines: new Map<string, HeardLine>() }
    if (!this.#peers.has(from) && this.#peers.size >= PEERS_MAX) return false
    this.#peers.set(from, peer)
    peer.heardMs = nowMs
    for (const line of lines) this.#hearLine(peer, line, nowMs)
    return true
  }

  #hearLine(peer: Peer, line: LeaseLine, nowMs: number): void {
    const [name, place, total, taken, wanted, level, limit] = line
    const kind = METER_KINDS[place]
    if (kind === undefined) return
    const key = `${place} ${name}`
    const scope = this.#scopes.get(name) ?? this.#add(name)
    scope.usedMs = nowMs
    const meter = (scope[kind] ??= this.#openOne(kind, limit, nowMs))
    const before = peer.lines.get(key)
    const known = before?.meter === meter ? before : undefined
    if (kind === 'slots') takenElsewhere(meter, total - (known?.total ?? 0))
    else if (known && (total !== taken || total === known.total))
      takenElsewhere(meter, total - known.total)
    else {
      // Nobody knows what came before: the lower of two copies is the one that has heard more.
      takenElsewhere(meter, taken)
      meter.level = Math.min(meter.level, level)
    }
    if (before) this.#unwant(before)
    if (wanted > 0) {
      meter.others++
      meter.othersWanted += wanted
    }
    setShare(meter)
    peer.lines.set(key, { meter, total, wanted, heardMs: nowMs })
  }

  #unwant({ meter, wanted }: HeardLine): void {
    if (wanted === 0) return
    meter.others--
    // Of nothing nothing is left, whatever rounding says.
    meter.othersWanted = meter.others === 0 ? 0 : meter.othersWanted - wanted
  }

  #forgetPeers(nowMs: number): void {
    for (const [from, peer] of this.#peers) {
      const gone = nowMs - peer.heardMs > HEARD_MS
      this.#forgetLines(peer, gone ? Infinity : nowMs - HEARD_MS)
      if (gone) this.#peers.delete(from)
    }
  }

  /** Those that were heard before this time. */
  #forgetLines({ lines }: Peer, beforeMs: number): void {
    for (const [key, line] of lines) {
      if (line.heardMs >= beforeMs) continue
      this.#unwant(line)
      setShare(line.meter)
      if (line.meter.kind === 'slots') takenElsewhere(line.meter, -line.total)
      lines.delete(key)
    }
  }

  /** The others can be heard again: what they took meanwhile has been allowed for by the parts. */
  #begin(nowMs: number): void {
    for (const peer of this.#peers.values()) {
      this.#forgetLines(peer, Infinity)
      peer.heardMs = nowMs
    }
  }

  #setParts(parts: number): void {
    if (parts === this.#parts) return
    this.#parts = parts
    for (const scope of this.#scopes.values()) {
      for (const kind of METER_KINDS) {
        const meter = scope[kind]
        if (meter) meter.parts = parts
      }
    }
  }

  #add(name: string): Kept {
    if (this.#scopes.size >= SCOPES_MAX) this.#evict()
    const scope = { name, requests: null, tokens: null, slots: null, users: 0, usedMs: -Infinity }
    this.#scopes.set(name, scope)
    return scope
  }

  #fit(scope: Kept, kind: MeterKind, limit: number | undefined): void {
    const meter = scope[kind]
    if (limit === undefined) {
      if (meter) scope[kind] = null
    } else if (meter === null) {
      scope[kind] = this.#openOne(kind, limit, scope.usedMs)
    } else if (meter.limit !== limit) setLimit(meter, limit)
  }

  #openOne(kind: MeterKind, limit: number, nowMs: number): Meter {
    const meter = openMeter(kind, limit, nowMs)
    meter.parts = this.#parts
    return meter
  }

  /** Makes room. The oldest that nobody is inside goes, with what it has spent. */
  #evict(): void {
    for (const [name, scope] of this.#scopes) {
      if (scope.users > 0) continue
      this.#drop(name, scope)
      return
    }
  }

  /** What nobody uses is dropped: it would begin again as it is. */
  #sweepSome(nowMs: number): void {
    this.#sweep ??= this.#scopes.values()
    for (let n = 0; n < SWEPT_MAX; n++) {
      const { value, done } = this.#sweep.next()
      if (done) {
        this.#sweep = undefined
        return
      }
      const idle = METER_KINDS.every((kind) => !value[kind] || isIdle(value[kind], nowMs))
      // Not before the others have forgotten the count, which would begin anew.
      const unused = value.users === 0 && nowMs - value.usedMs > 2 * HEARD_MS
      if (idle && unused) this.#drop(value.name, value)
    }
  }

  #drop(name: string, scope: Kept): void {
    this.#scopes.delete(name)
    for (const kind of METER_KINDS) if (scope[kind]) this.#open.delete(scope[kind])
  }
}
