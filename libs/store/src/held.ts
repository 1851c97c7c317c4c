import {
  collection,
  type Named,
  project,
  type Resource,
  type ResourceName,
  RESOURCES,
  type Snapshot,
  snapshotFrom,
  upcastBody,
} from '@signalbox/model'
import type pg from 'pg'
import { readHeadOf, readMessages, readWholeCollection, ROWS } from './read.ts'
import { bodyOf, headOf, type HeadRow, resourceOf, type ResourceRow } from './rows.ts'

/** A collection of more resources than this is not kept in memory but asked for. */
export const HELD_MAX = 10_000
/** Above this many missed revisions the state is read again instead of folded. */
const CATCH_UP_MAX = 1_000

const LARGE = `SELECT name FROM unnest($2::text[]) AS name
  WHERE (SELECT count(*) FROM (
    SELECT 1 FROM resource WHERE fleet = $1 AND resource = name LIMIT $3 + 1) found) > $3`
const NAMED = `SELECT r.resource, r.id, r.version, r.revision, r.created_at, r.updated_at,
    r.schema, r.spec
  FROM unnest($2::text[], $3::text[]) AS named (resource, id)
  JOIN resource r ON r.fleet = $1 AND r.resource = named.resource AND r.id = named.id`

/** What a process keeps of the state at a revision. */
export interface Held {
  /** The fold of the log, with nothing in the large collections. */
  readonly snapshot: Snapshot
  readonly large: ReadonlySet<ResourceName>
}

export interface Holding {
  readonly fleet: string
  readonly heldMax: number
}

/** Reads what is held at the head. The caller holds the log's lock. */
export async function readHeld(client: pg.ClientBase, { fleet, heldMax }: Holding): Promise<Held> {
  const head = await readHeadOf(client, fleet)
  const found = await client.query<{ name: ResourceName }>(LARGE, [fleet, RESOURCES, heldMax])
  const large = new Set(found.rows.map(({ name }) => name))
  const read = new Map<ResourceName, Map<string, Resource>>()
  for (const name of RESOURCES) {
    const all = large.has(name) ? [] : await readWholeCollection(client, fleet, name)
    read.set(name, new Map(all.map((resource) => [resource.id, resource])))
  }
  return { snapshot: snapshotFrom(head, (name) => read.get(name) ?? new Map()), large }
}

/** What is held of a state: a collection that has grown too large is let go. */
export function heldOf(snapshot: Snapshot, large: ReadonlySet<ResourceName>, max: number): Held {
  const now = new Set(
    RESOURCES.filter((name) => large.has(name) || collection(snapshot, name).size > max),
  )
  if (now.size === 0) return { snapshot, large: now }
  const kept = snapshotFrom(snapshot.head, (name) =>
    now.has(name) ? new Map() : collection(snapshot, name),
  )
  return { snapshot: kept, large: now }
}

/** What is held at the locked head: as it was known, plus what other instances appended. */
export async function catchUp(
  client: pg.ClientBase,
  { row, cache, ...holding }: Holding & { readonly row: HeadRow; readonly cache: Held | null },
): Promise<Held> {
  const { fleet, heldMax } = holding
  const head = headOf(row)
  const known = cache?.snapshot.head
  const behind = known ? head.revision - known.revision : -1
  if (!cache || behind < 0 || behind > CATCH_UP_MAX) return readHeld(client, holding)
  const range = { fleet, head, after: cache.snapshot.head.revision, limit: behind }
  const messages = behind === 0 ? [] : await readMessages(client, range)
  const [first] = messages
  // Another log in the same place (a restored backup) would not follow what is cached.
  if (first && first.previousHash !== known?.hash) return readHeld(client, holding)
  const state = messages.reduce(
    (before, one) => project(before, one, upcastBody(bodyOf(one))),
    cache.snapshot,
  )
  return isSame(state.head, head) ? heldOf(state, cache.large, heldMax) : readHeld(client, holding)
}

function isSame(a: Snapshot['head'], b: Snapshot['head']): boolean {
  return (
    a.lineage === b.lineage && a.epoch === b.epoch && a.revision === b.revision && a.hash === b.hash
  )
}

/** What there is now of the named ones, by kind. */
export async function readNamed(
  client: pg.ClientBase,
  fleet: string,
  named: readonly Named[],
): Promise<ReadonlyMap<ResourceName, readonly Resource[]>> {
  const all: ResourceRow[] = []
  for (const some of inParts(named)) {
    const columns = [some.map(({ resource }) => resource), some.map(({ id }) => id)]
    const { rows } = await client.query<ResourceRow>(NAMED, [fleet, ...columns])
    all.push(...rows)
  }
  return new Map(
    [...Map.groupBy(all, ({ resource }) => resource)].map(([name, rows]) => [
      name,
      rows.map(resourceOf),
    ]),
  )
}

export function inParts<Item>(items: readonly Item[]): readonly (readonly Item[])[] {
  const count = Math.ceil(items.length / ROWS)
  return Array.from({ length: count }, (_, nth) => items.slice(nth * ROWS, (nth + 1) * ROWS))
}
