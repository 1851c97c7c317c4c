import { type MeterKind } from '@signalbox/model'

/*
 * One limit of one holder, as one proxy of a fleet knows it.
 *
 * A meter is a token bucket that the whole fleet shares: it holds a minute's worth (`limit`), fills
 * steadily, and every proxy has a copy. `level` is what is left by what this copy knows; below 0 it
 * is a debt, which fills up like anything else before more is let through. Nobody asks anybody
 * before a request. Instead each proxy says every LEASE_MS what it has taken in all and how much it
 * wants (limiter.ts), and takes what the others have taken off its own copy. So an error is never
 * kept: what was let through too much is missing afterwards.
 *
 * Between two leases the copies know nothing of each other. What a proxy may take meanwhile is its
 * share of the level, by how much it wants and how much the others want. Where nobody else wants
 * anything the share is all: one proxy that is sent everything lets a full minute's worth through.
 *
 * Slots (requests at a time) are the same bucket, which does not fill by itself: what is taken is
 * given back. Of free slots a proxy may always take one in each lease, since a part of one is none.
 *
 * While the bus is gone each proxy keeps to a part by itself: `parts` is how many proxies there
 * were, and what it takes counts so many times, as if each of the others took as much.
 *
 * Time comes in as monotonic milliseconds. Nothing here allocates.
 */

export const LEASE_MS = 250
const MINUTE_MS = 60_000
/** Of a level that several want, the part that is divided evenly: nobody starves. */
const EVEN_PART = 0.2
/** How much the newest lease counts in what a proxy wants. */
const NEWEST = 0.5
/** Less than this is noise: a proxy that wants so little wants nothing. */
const WANTED_MIN = 0.01
/** A debt of more minutes is forgiven: one giant answer must not lock a key for hours. */
const DEBT_MINUTES_MAX = 10
/** Of rounding. */
const EPSILON = 1e-6

export interface Meter {
  readonly kind: MeterKind
  /** Units a minute; of slots, units at a time. */
  limit: number
  level: number
  atMs: number
  /** Taken here since the last lease, and in all. Of slots: what is in use here. */
  taken: number
  total: number
  /** Asked for here since the last lease, refused or not; and a lease's worth, smoothed. */
  asked: number
  wanted: number
  /** What other proxies want a lease, and how many of them want anything. */
  othersWanted: number
  others: number
  share: number
  parts: number
  /** Something to tell the others. */
  told: boolean
}

export function openMeter(kind: MeterKind, limit: number, nowMs: number): Meter {
  return {
    kind,
    limit,
    level: limit,
    atMs: nowMs,
    taken: 0,
    total: 0,
    asked: 0,
    wanted: 0,
    othersWanted: 0,
    others: 0,
    share: 1,
    parts: 1,
    told: true,
  }
}

/** The limit was changed: what is taken stays taken. */
export function setLimit(meter: Meter, limit: number): void {
  meter.level += limit - meter.limit
  meter.limit = limit
}

/** Whether so much may be taken now; counts that it was asked for, and takes nothing. */
export function ask(meter: Meter, units: number, nowMs: number): boolean {
  fill(meter, nowMs)
  meter.asked += units
  meter.told = false
  return available(meter) + EPSILON >= neededOf(meter, units)
}

/** Takes it. More than is left becomes a debt; below 0: gives back. */
export function take(meter: Meter, units: number): void {
  meter.level -= meter.kind === 'slots' ? units : units * meter.parts
  meter.taken += units
  meter.total += units
  meter.told = false
  keepInBounds(meter)
}

/** Another proxy has taken so much. */
export function takenElsewhere(meter: Meter, units: number): void {
  meter.level -= units
  keepInBounds(meter)
}

/** Ms until so much may be taken, if nobody takes anything until then. Of slots nobody knows. */
export function waitMs(meter: Meter, units: number, nowMs: number): number {
  fill(meter, nowMs)
  const needed = neededOf(meter, units)
  if (available(meter) + EPSILON >= needed) return 0
  if (meter.kind === 'slots') return LEASE_MS
  const part = meter.parts > 1 ? 1 / meter.parts : meter.share
  const level = Math.min(meter.limit, needed / part)
  return Math.max(1, ((level - meter.level) * MINUTE_MS) / meter.limit)
}

/** Whole units that may be taken now, at once. */
export function remaining(meter: Meter, nowMs: number): number {
  fill(meter, nowMs)
  return Math.max(0, Math.floor(available(meter) + EPSILON))
}

/** Ms until it is full again, if nobody takes anything. */
export function fullInMs(meter: Meter, nowMs: number): number {
  fill(meter, nowMs)
  return Math.max(0, ((meter.limit - meter.level) * MINUTE_MS) / meter.limit)
}

/** Nothing is missing, nothing is in use, nobody wants anything: as if it had just been opened. */
export function isIdle(meter: Meter, nowMs: number): boolean {
  fill(meter, nowMs)
  const quiet = meter.wanted === 0 && meter.asked === 0 && meter.others === 0
  return (
    quiet && meter.level + EPSILON >= meter.limit && (meter.kind !== 'slots' || meter.total === 0)
  )
}

/** A lease is over: what was asked for in it becomes what this proxy wants, and sets its share. */
export function endLease(meter: Meter): void {
  const wanted = meter.wanted * (1 - NEWEST) + meter.asked * NEWEST
  meter.wanted = wanted < WANTED_MIN ? 0 : wanted
  meter.asked = 0
  meter.taken = 0
  setShare(meter)
}

/** To be called when others want more or less than before. */
export function setShare(meter: Meter): void {
  const { wanted, othersWanted, others } = meter
  if (others === 0) meter.share = 1
  // Who has wanted nothing so far may want as much as any of those who do.
  else if (wanted === 0) meter.share = 1 / (others + 1)
  else meter.share = EVEN_PART / (others + 1) + ((1 - EVEN_PART) * wanted) / (wanted + othersWanted)
}

/**
 * A request that is larger than all of this proxy's share goes through when all of it is there: or
 * it never would.
 */
function neededOf(meter: Meter, units: number): number {
  const most = meter.parts > 1 ? meter.limit / meter.parts : meter.limit * meter.share
  return meter.kind === 'slots' ? units : Math.min(units, most)
}

function available(meter: Meter): number {
  const { level, share, taken, parts, kind, total } = meter
  if (parts > 1) {
    return kind === 'slots' ? Math.max(1, Math.floor(meter.limit / parts)) - total : level / parts
  }
  if (kind !== 'slots') return share * level - (1 - share) * taken
  if (share === 1 || level < 1) return level
  const part = Math.floor(share * level - (1 - share) * taken)
  return Math.min(level, Math.max(1 - Math.max(0, taken), part))
}

function fill(meter: Meter, nowMs: number): void {
  const ms = nowMs - meter.atMs
  if (ms <= 0) return
  meter.atMs = nowMs
  if (meter.kind === 'slots') return
  meter.level = Math.min(meter.limit, meter.level + (ms * meter.limit) / MINUTE_MS)
}

function keepInBounds(meter: Meter): void {
  if (meter.kind === 'slots') return
  const least = -meter.limit * DEBT_MINUTES_MAX
  if (meter.level > meter.limit) meter.level = meter.limit
  else if (meter.level < least) meter.level = least
}
