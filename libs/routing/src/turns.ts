/*
 * Whose turn is it? Earliest deadline first (Demers, Keshav, Shenker 1989; Envoy's EDF scheduler).
 * The k-th turn of a member of weight w is due at
 *
 *     (2k - 1) / (2w)
 *
 * so that in each unit of time everybody has exactly w turns, and they lie as far from each other
 * as they can: 3:1 gives a a b a, not a a a b. The quotient is rounded once and never summed up, so
 * the shares stay exact for ever. Those who wait form a heap, and a turn costs O(log n): smooth
 * weighted round robin (nginx) gives the same shares, but walks through everybody for each.
 *
 * Whoever cannot take its turn is parked: it leaves the heap, and the others share what it would
 * have had by their weights. Nobody tells when it could again, so one of the parked is looked at
 * before each turn. It comes back with the next turn that it would have had; what it has missed is
 * not made up for, since that would be a flood.
 */
export interface Turns {
  readonly weights: Float64Array
  /** When the next turn of each member is due, and the how-manieth it is, from 1. */
  readonly due: Float64Array
  readonly turn: Float64Array
  /** Members of a weight: a heap of those that wait, behind it the parked ones. */
  readonly order: Int32Array
  waiting: number
  /** Which of the parked is looked at next. */
  look: number
  nowDue: number
}

/** Members are named by their index in `weights`; one of weight 0 never has a turn. */
export function openTurns(weights: readonly number[]): Turns {
  const members = weights.flatMap((weight, index) => (weight > 0 ? [index] : []))
  const turns: Turns = {
    weights: Float64Array.from(weights),
    due: Float64Array.from(weights, (weight) => 1 / (2 * weight)),
    turn: new Float64Array(weights.length).fill(1),
    order: Int32Array.from(members),
    waiting: members.length,
    look: 0,
    nowDue: 0,
  }
  for (let at = (members.length >> 1) - 1; at >= 0; at--) sink(turns, at)
  return turns
}

/** Whose turn it is; -1 where nobody waits. */
export function nextInTurn({ waiting, order }: Turns): number {
  return waiting > 0 ? (order[0] ?? -1) : -1
}

/** The one whose turn it is takes it. */
export function takeTurn(turns: Turns): void {
  const member = turns.order[0] ?? 0
  turns.nowDue = turns.due[member] ?? 0
  setTurn(turns, member, (turns.turn[member] ?? 0) + 1)
  sink(turns, 0)
}

/** The one whose turn it is cannot take it. */
export function park(turns: Turns): void {
  turns.waiting -= 1
  swap(turns, 0, turns.waiting)
  sink(turns, 0)
}

/** The parked member to look at now; -1 where nobody is parked. Another one at each call. */
export function nextParked(turns: Turns): number {
  const parked = turns.order.length - turns.waiting
  if (parked === 0) return -1
  turns.look = (turns.look + 1) % parked
  return turns.order[turns.waiting + turns.look] ?? -1
}

/** The member that nextParked() has just named waits again. */
export function unpark(turns: Turns): void {
  const at = turns.waiting
  swap(turns, at, at + turns.look)
  turns.waiting += 1
  const member = turns.order[at] ?? 0
  const weight = turns.weights[member] ?? 0
  // The first turn that is due later than now.
  setTurn(turns, member, Math.floor(turns.nowDue * weight + 0.5) + 1)
  rise(turns, at)
}

function setTurn(turns: Turns, member: number, turn: number): void {
  turns.turn[member] = turn
  turns.due[member] = (2 * turn - 1) / (2 * (turns.weights[member] ?? 0))
}

function sink(turns: Turns, from: number): void {
  let at = from
  for (;;) {
    let first = at
    for (let child = 2 * at + 1; child <= 2 * at + 2 && child < turns.waiting; child++) {
      if (isBefore(turns, child, first)) first = child
    }
    if (first === at) return
    swap(turns, at, first)
    at = first
  }
}

function rise(turns: Turns, from: number): void {
  let at = from
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (!isBefore(turns, at, parent)) return
    swap(turns, at, parent)
    at = parent
  }
}

/** Of equally urgent ones the first in the list comes first. */
function isBefore({ order, due }: Turns, one: number, other: number): boolean {
  const a = order[one] ?? 0
  const b = order[other] ?? 0
  const dueA = due[a] ?? 0
  const dueB = due[b] ?? 0
  return dueA < dueB || (dueA === dueB && a < b)
}

function swap({ order }: Turns, one: number, other: number): void {
  const kept = order[one] ?? 0
  order[one] = order[other] ?? 0
  order[other] = kept
}

/** Everything that the next turns depend on, as numbers: see putTurns(). */
export function noteTurns({ waiting, look, nowDue, order, turn }: Turns): readonly number[] {
  const noted = [waiting, look, nowDue]
  for (let at = 0; at < order.length; at++) noted.push(order[at] ?? 0)
  for (let at = 0; at < turn.length; at++) noted.push(turn[at] ?? 0)
  return noted
}

const COUNTERS = 3

/** Puts noted turns back. False, and nothing is changed, where they are not of these members. */
export function putTurns(turns: Turns, noted: readonly number[]): boolean {
  const { order, turn } = turns
  const [waiting = -1, look = -1, nowDue = -1] = noted
  const members = noted.slice(COUNTERS, COUNTERS + order.length)
  const numbers = noted.slice(COUNTERS + order.length)
  const sameMembers = [...members].sort(ascending).join() === [...order].sort(ascending).join()
  const sane = [waiting, look].every((count) => Number.isInteger(count) && count >= 0)
  if (!sane || waiting > order.length || !Number.isFinite(nowDue) || !sameMembers) return false
  if (numbers.length !== turn.length || !numbers.every((one) => one >= 1)) return false
  turns.waiting = waiting
  turns.look = look
  turns.nowDue = nowDue
  order.set(members)
  numbers.forEach((number, member) => setTurn(turns, member, number))
  return true
}

function ascending(one: number, other: number): number {
  return one - other
}
