import {
  type Head,
  type Named,
  type Resource,
  type ResourceName,
  type Snapshot,
  snapshotFrom,
} from '@signalbox/model'
import type pg from 'pg'
import { inReadTransaction } from './database.ts'
import { type Held, inParts } from './held.ts'
import { headAt, readHeadOf, type Source } from './read.ts'
import { type Only } from './store.ts'
import { resourceOf, type ResourceRow } from './rows.ts'

/** More resources than this are not compared or brought back in one call. */
export const TOUCHED_MAX = 50_000
const TOUCHED = `SELECT DISTINCT resource, id FROM event
  WHERE fleet = $1 AND revision > $2 AND revision <= $3
  AND ($4::text[] IS NULL OR resource = ANY ($4))
  AND ($5::text[] IS NULL OR (resource, id) IN (SELECT * FROM unnest($5::text[], $6::text[])))
  ORDER BY resource, id LIMIT ${TOUCHED_MAX + 1}`
/** The last event of each named resource at or before a revision; created_at is its creation's. */
const NAMED_THEN = `SELECT last.resource, last.id, last.version, last.revision, last.schema,
    last.spec,
    updated.committed_at AS updated_at, created.committed_at AS created_at
  FROM unnest($2::text[], $3::text[]) AS named (resource, id)
  CROSS JOIN LATERAL (
    SELECT resource, id, version, revision, schema, spec FROM event e
    WHERE e.fleet = $1 AND e.resource = named.resource AND e.id = named.id AND e.revision <= $4
    ORDER BY e.version DESC LIMIT 1) last
  JOIN revision updated ON updated.fleet = $1 AND updated.revision = last.revision
  CROSS JOIN LATERAL (
    SELECT revision FROM event e
    WHERE e.fleet = $1 AND e.resource = last.resource AND e.id = last.id
      AND e.version <= last.version AND e.type = e.resource || '.created'
    ORDER BY e.version DESC LIMIT 1) creation
  JOIN revision created ON created.fleet = $1 AND created.revision = creation.revision
  WHERE last.spec IS NOT NULL`

/** How things were at a revision, as far as they were changed after it. */
export interface Past {
  readonly snapshot: Snapshot
  /** What was changed after it; all else is as it was. */
  readonly touched: readonly Named[]
}

/** Two states, of each only what was changed between them. */
export interface Between {
  readonly before: Snapshot
  readonly after: Snapshot
}

interface PastAsked {
  readonly fleet: string
  readonly held: Held
  readonly undoesAfter: number
  readonly only: Only
}

/** The past to which a rollback leads. The caller holds the log's lock. */
export async function readPast(
  client: pg.ClientBase,
  { fleet, held, undoesAfter, only }: PastAsked,
): Promise<Past | 'too many'> {
  const now = held.snapshot.head
  const span = { fleet, after: undoesAfter, last: now.revision }
  const touched = await readTouched(client, { ...span, ...only })
  if (touched.length > TOUCHED_MAX) return 'too many'
  const head = await headAt(client, { fleet, asOf: undoesAfter, now })
  return { touched, snapshot: await readThen(client, { fleet, head, named: touched }) }
}

/** Null where the log does not reach so far. */
export async function readBetween(
  { pool, fleet }: Source,
  from: number,
  to?: number,
): Promise<Between | 'too many' | null> {
  return inReadTransaction(pool, async (client) => {
    const now = await readHeadOf(client, fleet)
    const end = to ?? now.revision
    if (from > now.revision || end > now.revision) return null
    const [after, last] = [Math.min(from, end), Math.max(from, end)]
    const named = await readTouched(client, { fleet, after, last })
    if (named.length > TOUCHED_MAX) return 'too many'
    const stateAt = async (asOf: number) => {
      const head = await headAt(client, { fleet, asOf, now })
      return readThen(client, { fleet, head, named })
    }
    return { before: await stateAt(from), after: await stateAt(end) }
  })
}

/** One resource as it was at a revision; null where it was not, or the log is not so long. */
export async function readResourceAt<Name extends ResourceName>(
  { pool, fleet }: Source,
  { resource, id }: { readonly resource: Name; readonly id: string },
  asOf: number,
): Promise<Resource<Name> | null> {
  return inReadTransaction(pool, async (client) => {
    const { rows } = await client.query<ResourceRow>(NAMED_THEN, [fleet, [resource], [id], asOf])
    const [row] = rows
    return row ? (resourceOf(row) as Resource<Name>) : null
  })
}

async function readTouched(
  client: pg.ClientBase,
  { fleet, after, last, kinds, named }: { fleet: string; after: number; last: number } & Only,
): Promise<readonly Named[]> {
  const resources = named?.map(({ resource }) => resource) ?? null
  const ids = named?.map(({ id }) => id) ?? null
  const values = [fleet, after, last, kinds ?? null, resources, ids]
  const { rows } = await client.query<Named>(TOUCHED, values)
  return rows
}

async function readThen(
  client: pg.ClientBase,
  { fleet, head, named }: { fleet: string; head: Head; named: readonly Named[] },
): Promise<Snapshot> {
  const found = await readNamedThen(client, { fleet, revision: head.revision, named })
  const mapOf = (name: ResourceName) =>
    new Map(found.get(name)?.map((resource) => [resource.id, resource]))
  return snapshotFrom(head, mapOf)
}

/** What there was of the named ones at a revision, by kind. */
export async function readNamedThen(
  client: pg.ClientBase,
  { fleet, revision, named }: { fleet: string; revision: number; named: readonly Named[] },
): Promise<ReadonlyMap<ResourceName, readonly Resource[]>> {
  const byName = new Map<ResourceName, Resource[]>()
  for (const some of inParts(named)) {
    const columns = [some.map(({ resource }) => resource), some.map(({ id }) => id)]
    const { rows } = await client.query<ResourceRow>(NAMED_THEN, [fleet, ...columns, revision])
    for (const row of rows) {
      const all = byName.get(row.resource) ?? []
      byName.set(row.resource, all)
      all.push(resourceOf(row))
    }
  }
  return byName
}
