import {
  GENESIS_HASH,
  type Head,
  type Resource,
  type ResourceName,
  RESOURCES,
  type RevisionMessage,
  type Snapshot,
  snapshotFrom,
  type Spec,
} from '@signalbox/model'
import type pg from 'pg'
import { inReadTransaction, withClient } from './database.ts'
import {
  headOf,
  type HeadRow,
  messageOf,
  resourceOf,
  type ResourceRow,
  type RevisionRow,
  snapshotOf,
} from './rows.ts'
import { type Part } from './store.ts'

const HEAD = 'SELECT lineage, epoch, revision, position, hash FROM log_head WHERE fleet = $1'
const HEAD_AT = 'SELECT epoch, revision, hash FROM revision WHERE fleet = $1 AND revision = $2'
/** Rows of one statement: more would hold up everything else meanwhile. */
export const ROWS = 2_000
/** A page of a kind after an id, sorted. */
export const PAGE = `SELECT resource, id, version, revision, created_at, updated_at, schema, spec
  FROM resource WHERE fleet = $1 AND resource = $2 AND id COLLATE "C" > $3
  ORDER BY id COLLATE "C" LIMIT $4`
/** Bytes of the bodies that one reading of messages answers, beside the first. */
const MESSAGES_BYTES_MAX = 4 * 1024 * 1024
const MESSAGES_AFTER = `
  SELECT epoch, revision, body, previous_hash, hash
  FROM (
    SELECT *, sum(octet_length(body)) OVER (ORDER BY revision) - octet_length(body) AS before
    FROM (SELECT * FROM revision WHERE fleet = $1 AND revision > $2
      ORDER BY revision LIMIT $3) found) sized
  WHERE before < ${MESSAGES_BYTES_MAX} ORDER BY revision`
/** Each resource's last event at or before a revision; created_at is its last creation's. */
const RESOURCES_AS_OF = `
  WITH last AS (
    SELECT DISTINCT ON (resource, id) resource, id, version, revision, schema, spec
    FROM event WHERE fleet = $1 AND revision <= $2 AND resource = ANY ($3)
    ORDER BY resource, id, version DESC)
  SELECT last.*, updated.committed_at AS updated_at, created.committed_at AS created_at
  FROM last
  JOIN revision updated ON updated.fleet = $1 AND updated.revision = last.revision
  CROSS JOIN LATERAL (
    SELECT revision FROM event e
    WHERE e.fleet = $1 AND e.resource = last.resource AND e.id = last.id
      AND e.version <= last.version AND e.type = e.resource || '.created'
    ORDER BY e.version DESC LIMIT 1) creation
  JOIN revision created ON created.fleet = $1 AND created.revision = creation.revision
  WHERE last.spec IS NOT NULL
  ORDER BY last.resource, last.id`

/** Where the log of a fleet is read. */
export interface Source {
  readonly pool: pg.Pool
  readonly fleet: string
}

/** Where the log ends now. */
export async function readHead({ pool, fleet }: Source): Promise<Head> {
  return withClient(pool, async (client) => headOf(await headRow(client, fleet)))
}

/** The head in a transaction that is under way. */
export async function readHeadOf(client: pg.ClientBase, fleet: string): Promise<Head> {
  return headOf(await headRow(client, fleet))
}

async function headRow(client: pg.ClientBase, fleet: string): Promise<HeadRow> {
  const { rows } = await client.query<HeadRow>(HEAD, [fleet])
  const [row] = rows
  if (!row) throw new Error(`fleet ${fleet} has no log`)
  return row
}

/** All desired state of these kinds at a revision; null where the log does not reach so far. */
export async function readSnapshot(
  { pool, fleet }: Source,
  { asOf, only = RESOURCES }: { readonly asOf?: number; readonly only?: readonly ResourceName[] },
): Promise<Snapshot | null> {
  return inReadTransaction(pool, async (client) => {
    const now = headOf(await headRow(client, fleet))
    if (asOf === undefined) return readNow(client, { fleet, head: now, only })
    if (asOf > now.revision) return null
    const head = await headAt(client, { fleet, asOf, now })
    const { rows } = await client.query<ResourceRow>(RESOURCES_AS_OF, [fleet, asOf, only])
    return snapshotOf(head, rows)
  })
}

async function readNow(
  client: pg.ClientBase,
  { fleet, head, only = RESOURCES }: { fleet: string; head: Head; only?: readonly ResourceName[] },
): Promise<Snapshot> {
  const read = new Map<ResourceName, ReadonlyMap<string, Resource>>()
  for (const name of only) {
    const all = await readWholeCollection(client, fleet, name)
    read.set(name, new Map(all.map((resource) => [resource.id, resource])))
  }
  return snapshotFrom(head, (name) => read.get(name) ?? new Map())
}

/** All resources of a kind as they are now, sorted by id. */
export async function readWholeCollection(
  client: pg.ClientBase,
  fleet: string,
  name: ResourceName,
): Promise<readonly Resource[]> {
  const all: Resource[] = []
  for (let after = ''; ; after = all.at(-1)?.id ?? '') {
    const { rows } = await client.query<ResourceRow>(PAGE, [fleet, name, after, ROWS])
    for (const row of rows) all.push(resourceOf(row))
    if (rows.length < ROWS) return all
  }
}

/** Where the log ended at a revision that it has. */
export async function headAt(
  client: pg.ClientBase,
  { fleet, asOf, now }: { fleet: string; asOf: number; now: Head },
): Promise<Head> {
  if (asOf === 0) return { ...now, epoch: 1, revision: 0, hash: GENESIS_HASH }
  const { rows } = await client.query<Omit<HeadRow, 'lineage' | 'position'>>(HEAD_AT, [fleet, asOf])
  const [row] = rows
  if (!row) throw new Error(`revision ${asOf} of fleet ${fleet} is missing`)
  return headOf({ ...row, lineage: now.lineage })
}

const IDS = `SELECT id FROM resource WHERE fleet = $1 AND resource = $2 AND id COLLATE "C" > $3
  ORDER BY id COLLATE "C" LIMIT $4`

/** The ids of a kind, and of which state they are. */
export async function readIds(
  { pool, fleet }: Source,
  name: ResourceName,
  { after = '', limit }: Part,
): Promise<{ readonly revision: number; readonly ids: readonly string[] }> {
  return inReadTransaction(pool, async (client) => {
    const { revision } = await readHeadOf(client, fleet)
    const { rows } = await client.query<{ id: string }>(IDS, [fleet, name, after, limit])
    return { revision, ids: rows.map(({ id }) => id) }
  })
}

/** The log in order, as it is published. */
export async function readMessagesAfter(
  { pool, fleet }: Source,
  after: number,
  limit: number,
): Promise<readonly RevisionMessage[]> {
  return withClient(pool, async (client) => {
    const head = headOf(await headRow(client, fleet))
    return readMessages(client, { fleet, head, after, limit })
  })
}

export interface MessageRange {
  readonly fleet: string
  readonly head: Head
  readonly after: number
  readonly limit: number
}

export async function readMessages(
  client: pg.ClientBase,
  { fleet, head, after, limit }: MessageRange,
): Promise<readonly RevisionMessage[]> {
  const { rows } = await client.query<RevisionRow>(MESSAGES_AFTER, [fleet, after, limit])
  return rows.map((row) => messageOf(row, head.lineage))
}

const CHANGES = `SELECT e.revision, e.resource, e.id, e.type, e.spec AS after, b.spec AS before
  FROM event e
  LEFT JOIN LATERAL (
    SELECT spec FROM event o WHERE o.fleet = e.fleet AND o.resource = e.resource AND o.id = e.id
      AND o.version = e.version - 1 LIMIT 1) b ON true
  WHERE e.fleet = $1 AND e.revision = ANY ($2)
  ORDER BY e.position`

export interface ChangeRow {
  readonly revision: string
  readonly resource: ResourceName
  readonly id: string
  readonly type: string
  readonly before: Spec | null
  readonly after: Spec | null
}

/** The changes of these revisions with the specs before and after, in the log's order. */
export async function readChanges(
  { pool, fleet }: Source,
  revisions: readonly bigint[],
): Promise<readonly ChangeRow[]> {
  const { rows } = await withClient(pool, (client) =>
    client.query<ChangeRow>(CHANGES, [fleet, revisions]),
  )
  return rows
}
