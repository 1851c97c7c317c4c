// Whether a history of concurrent calls is linearizable, with the log as the witness. Revisions are
// a total order of all changes, so nothing has to be searched for: each change has its place, and
// what is left is whether every call can stand where its answer says, in an order that agrees with
// real time (a call that ended before another began comes before it).

/** What is watched of a resource. */
export type Value = Readonly<Record<string, string>>

export type Ask =
  | {
      readonly kind: 'create' | 'put' | 'patch'
      readonly id: string
      readonly value: Value
      readonly ifMatch: number | null
    }
  | { readonly kind: 'delete'; readonly id: string; readonly ifMatch: number | null }
  | { readonly kind: 'read'; readonly id: string }
  | { readonly kind: 'list' }

export interface Version {
  readonly revision: number
  readonly value: Value
}

export type Answer =
  /** A change; the value is null after a delete. */
  | { readonly kind: 'wrote'; readonly revision: number; readonly value: Value | null }
  | { readonly kind: 'exists' | 'missing' | 'stale' }
  | { readonly kind: 'found'; readonly version: Version }
  | { readonly kind: 'listed'; readonly revision: number; readonly items: State }
  /** Sent so that it must not have an effect: not in full, or as a dry run. */
  | { readonly kind: 'never' }

export interface Operation {
  /** Its own; a change carries it into the log. */
  readonly tag: string
  readonly ask: Ask
  /** Places in the order of all beginnings and ends. Infinity: nobody heard how it ended. */
  readonly invokedAt: number
  readonly returnedAt: number
  /** Null: not known. */
  readonly answer: Answer | null
}

/** One revision, which changes one resource. */
export interface Entry {
  readonly revision: number
  readonly tag: string
  readonly id: string
  readonly value: Value | null
}

export type State = ReadonlyMap<string, Version>

interface Witness {
  /** By revision; 0 is the empty one. */
  readonly states: readonly State[]
  readonly entries: ReadonlyMap<string, Entry>
}

/** What is wrong with a history, in words; empty where nothing is. */
export function checkHistory(
  operations: readonly Operation[],
  log: readonly Entry[],
): readonly string[] {
  const asked = new Map(operations.map((operation) => [operation.tag, operation]))
  const entries = new Map(log.map((entry) => [entry.tag, entry]))
  const witness = { states: statesOf(log), entries }
  return [
    ...log.flatMap((entry, index) => checkPlace(entry, { index, last: entries.get(entry.tag) })),
    ...log.flatMap((entry) => checkEntry(entry, asked.get(entry.tag), witness)),
    ...operations.flatMap((operation) => checkAnswer(operation, entries.get(operation.tag))),
    ...checkOrder(operations, witness),
  ]
}

function statesOf(log: readonly Entry[]): readonly State[] {
  const states: State[] = [new Map()]
  for (const [index, { id, value }] of log.entries()) {
    const next = new Map(states[index])
    if (value === null) next.delete(id)
    else next.set(id, { revision: index + 1, value })
    states.push(next)
  }
  return states
}

function checkPlace(
  { revision, tag }: Entry,
  { index, last }: { readonly index: number; readonly last: Entry | undefined },
): readonly string[] {
  return [
    ...(revision === index + 1 ? [] : [`revision ${revision} stands at ${index + 1}`]),
    ...(last?.revision === revision ? [] : [`${tag} is in the log twice, at ${revision} as well`]),
  ]
}

/** Whether a revision is what was asked for, applied to the state before it. */
function checkEntry(
  { revision, tag, id, value }: Entry,
  operation: Operation | undefined,
  { states }: Witness,
): readonly string[] {
  if (!operation) return [`revision ${revision} is of ${tag}, which nobody asked for`]
  const { ask } = operation
  if (!('id' in ask) || ask.kind === 'read') return [`${tag} only read, and made ${revision}`]
  if (ask.id !== id) return [`${tag} asked for ${ask.id}, and revision ${revision} has ${id}`]
  const before = states[revision - 1]?.get(id)
  if (refusalOf(ask, before) !== null) return [`${tag} had to be refused at ${revision}`]
  const wanted = ask.kind === 'delete' ? null : after(ask, before?.value)
  return isEqual(value, wanted) ? [] : [`${tag}: revision ${revision} is not what was asked for`]
}

type Change = Exclude<Ask, { kind: 'read' | 'list' }>

/** Why a change is not possible in a state; null where it is. */
function refusalOf(
  ask: Change,
  before: Version | undefined,
): 'exists' | 'missing' | 'stale' | null {
  const { kind, ifMatch } = ask
  if (ifMatch !== null && before?.revision !== ifMatch) return 'stale'
  if (kind === 'create') return before ? 'exists' : null
  return !before && kind !== 'put' ? 'missing' : null
}

function after(ask: Exclude<Change, { kind: 'delete' }>, before: Value = {}): Value {
  return ask.kind === 'patch' ? { ...before, ...ask.value } : ask.value
}

/** Whether what was said about a change is what the log holds of it. */
function checkAnswer({ tag, answer }: Operation, entry: Entry | undefined): readonly string[] {
  if (answer?.kind !== 'wrote') {
    return entry && answer ? [`${tag} was answered ${answer.kind}, and made a revision`] : []
  }
  if (!entry) return [`${tag} was acknowledged at ${answer.revision}, and is lost`]
  if (entry.revision !== answer.revision) {
    return [`${tag} was acknowledged at ${answer.revision}, and is at ${entry.revision}`]
  }
  return isEqual(entry.value, answer.value) ? [] : [`${tag} was answered another value`]
}

/**
 * Gives each call the first place that its answer and real time allow. Calls are taken as they
 * began: those that ended before have their places then. The first place is the best one, as it
 * leaves most room to those that come after.
 */
function checkOrder(operations: readonly Operation[], { states, entries }: Witness) {
  const problems: string[] = []
  const placed: { readonly returnedAt: number; readonly at: number }[] = []
  for (const operation of operations.toSorted((a, b) => a.invokedAt - b.invokedAt)) {
    const { tag, invokedAt, returnedAt, answer } = operation
    const ended = placed.filter((one) => one.returnedAt < invokedAt)
    const least = Math.max(0, ...ended.map(({ at }) => at))
    const entry = entries.get(tag)
    if (entry) {
      if (entry.revision <= least) problems.push(`${tag} at ${entry.revision} began after ${least}`)
      placed.push({ returnedAt, at: entry.revision })
    } else if (answer && answer.kind !== 'never' && answer.kind !== 'wrote') {
      const at = firstPlace(operation, least, states)
      if (at < 0) problems.push(noPlace(operation, least))
      else placed.push({ returnedAt, at })
    }
  }
  return problems
}

/** -1: there is none. A list says of which revision it is: it has that place and no other. */
function firstPlace({ ask, answer }: Operation, least: number, states: readonly State[]): number {
  if (answer?.kind !== 'listed') {
    return states.findIndex((state, at) => at >= least && holds(ask, answer, state))
  }
  const { revision, items } = answer
  const state = states[revision]
  return revision >= least && state && isSameState(state, items) ? revision : -1
}

function noPlace({ tag, answer }: Operation, least: number): string {
  return `${tag}: no state from ${least} on gives the answer ${JSON.stringify(answer)}`
}

function holds(ask: Ask, answer: Answer | null, state: State): boolean {
  if (ask.kind === 'list' || !answer) return false
  const version = state.get(ask.id)
  if (answer.kind === 'found') {
    const { revision, value } = answer.version
    return version?.revision === revision && isEqual(version.value, value)
  }
  if (ask.kind === 'read') return answer.kind === 'missing' && !version
  if (answer.kind === 'missing') return !version
  return refusalOf(ask, version) === answer.kind
}

function isSameState(a: State, b: State): boolean {
  const same = ([id, { revision, value }]: [string, Version]) =>
    b.get(id)?.revision === revision && isEqual(b.get(id)?.value, value)
  return a.size === b.size && [...a].every(same)
}

function isEqual(a: Value | null | undefined, b: Value | null | undefined): boolean {
  return sorted(a) === sorted(b)
}

function sorted(value: Value | null | undefined): string {
  return value ? JSON.stringify(Object.entries(value).sort()) : 'none'
}
