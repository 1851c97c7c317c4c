import { setImmediate } from 'node:timers/promises'
import {
  collection,
  type Draft,
  err,
  type Named,
  refuse,
  type Refusal,
  type Resource,
  type ResourceName,
  type Result,
  type Snapshot,
  snapshotFrom,
} from '@signalbox/model'
import type pg from 'pg'
import { type Past, readPast, TOUCHED_MAX } from './past.ts'
import { type Held, readNamed } from './held.ts'
import { readWholeCollection } from './read.ts'
import { type WriteRequest } from './store.ts'

/*
 * What a decision sees. Small collections are held whole, as the fold of the log. Of large ones
 * nothing is held: the decision runs, what it asks for is noted and read under the lock, and it
 * runs again, until it asks for nothing new. It is pure, so that only its last run counts. So a
 * command costs what it touches, in memory as in time, however large the log is.
 */

/** A decision asks for what its commands name, for what that refers to, and for little more. */
const ROUNDS_MAX = 10

export interface Decided {
  readonly result: Result<readonly Draft[], Refusal>
  /** Of large collections, what was asked for. */
  readonly seen: Snapshot
}

const TOO_MANY = refuse(
  'admin_body_too_large',
  `more than ${TOUCHED_MAX} resources were changed since; name those that are to come back`,
)

/** Runs a decision on the state that the lock froze. */
export async function decideAsking(
  client: pg.ClientBase,
  { fleet, held, request }: { fleet: string; held: Held; request: WriteRequest },
): Promise<Decided> {
  const asked = new Map([...held.large].map((name) => [name, new Asked()]))
  const { undoesAfter } = request.intent
  const only = request.undoes ?? {}
  const past =
    undoesAfter === undefined ? null : await readPast(client, { fleet, held, undoesAfter, only })
  if (past === 'too many') return { result: err(TOO_MANY), seen: held.snapshot }
  await answer(client, {
    fleet,
    asked,
    named: [...(request.looksAt ?? []), ...(past?.touched ?? [])],
  })
  const view = snapshotFrom(
    held.snapshot.head,
    (name) => asked.get(name) ?? collection(held.snapshot, name),
  )
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const result = await attempt(request, { view, past, asked })
    if (result) return { result, seen: seenOf(view, asked) }
    for (const [name, one] of asked) {
      if (one.wantsWhole) one.takeWhole(await readWholeCollection(client, fleet, name))
    }
    await answer(client, { fleet, asked, named: wantedOf(asked) })
  }
  throw new Error(`a decision still asked for more after ${ROUNDS_MAX} rounds`)
}

interface Attempt {
  readonly view: Snapshot
  readonly past: Past | null
  readonly asked: ReadonlyMap<ResourceName, Asked>
}

/** Undefined where it asked for what was not there yet; what it threw then is no bug of its own. */
async function attempt(
  { decide, checks = [] }: WriteRequest,
  { view, past, asked }: Attempt,
): Promise<Decided['result'] | undefined> {
  const wanting = () => [...asked.values()].some((one) => one.wanting)
  try {
    const result = decide(view, past)
    if (!result.ok || result.value.length === 0 || wanting()) return wanting() ? undefined : result
    for (const check of checks) {
      // A large change takes its time in each of these: others get a turn in between.
      await setImmediate()
      const refusal = check(view, result.value)
      if (wanting()) return undefined
      if (refusal) return err(refusal)
    }
    await setImmediate()
    return result
  } catch (error) {
    if (!wanting()) throw error
    return undefined
  }
}

function wantedOf(asked: ReadonlyMap<ResourceName, Asked>): readonly Named[] {
  return [...asked].flatMap(([resource, one]) => [...one.wanted].map((id) => ({ resource, id })))
}

async function answer(
  client: pg.ClientBase,
  {
    fleet,
    asked,
    named,
  }: {
    readonly fleet: string
    readonly asked: ReadonlyMap<ResourceName, Asked>
    readonly named: readonly Named[]
  },
): Promise<void> {
  const open = named.filter(({ resource }) => asked.has(resource))
  const found = await readNamed(client, fleet, open)
  for (const [name, one] of asked) {
    const ids = open.flatMap(({ resource, id }) => (resource === name ? [id] : []))
    one.take(ids, found.get(name) ?? [])
  }
}

function seenOf(view: Snapshot, asked: ReadonlyMap<ResourceName, Asked>): Snapshot {
  return snapshotFrom(view.head, (name) => asked.get(name)?.found() ?? collection(view, name))
}

/** A part of a collection that notes what else it is asked for. */
class Asked extends Map<string, Resource> {
  readonly wanted = new Set<string>()
  wantsWhole = false
  readonly #absent = new Set<string>()
  #whole = false

  get wanting(): boolean {
    return this.wantsWhole || this.wanted.size > 0
  }

  /** What there is of these ids; the others do not exist. */
  take(ids: readonly string[], found: readonly Resource[]): void {
    for (const id of ids) this.#absent.add(id)
    for (const resource of found) {
      this.#absent.delete(resource.id)
      super.set(resource.id, resource)
    }
    this.wanted.clear()
  }

  takeWhole(all: readonly Resource[]): void {
    this.take([], all)
    this.wantsWhole = false
    this.#whole = true
  }

  found(): ReadonlyMap<string, Resource> {
    return new Map(super.entries())
  }

  override get(id: string): Resource | undefined {
    const resource = super.get(id)
    if (!resource && !this.#whole && !this.#absent.has(id)) this.wanted.add(id)
    return resource
  }

  override has(id: string): boolean {
    return this.get(id) !== undefined
  }

  override get size(): number {
    this.#askForAll()
    return super.size
  }

  override entries(): MapIterator<[string, Resource]> {
    this.#askForAll()
    return super.entries()
  }

  override keys(): MapIterator<string> {
    this.#askForAll()
    return super.keys()
  }

  override values(): MapIterator<Resource> {
    this.#askForAll()
    return super.values()
  }

  override forEach(call: (value: Resource, key: string, map: Map<string, Resource>) => void): void {
    for (const [key, value] of this.entries()) call(value, key, this)
  }

  override [Symbol.iterator](): MapIterator<[string, Resource]> {
    return this.entries()
  }

  #askForAll(): void {
    if (!this.#whole) this.wantsWhole = true
  }
}
