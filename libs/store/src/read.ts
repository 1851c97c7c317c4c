import {
  type Head,
  type Resource,
  type ResourceName,
  type Snapshot,
  type Spec,
} from '@signalbox/model'
import type pg from 'pg'
import { type PrismaClient } from './generated/client.ts'
import { inReadTransaction, unavailable, withClient } from './database.ts'
import {
  bodyOf,
  headOf,
  messageOf,
  type HeadRow,
  type ResourceRow,
  type RevisionRow,
  snapshotOf,
} from './rows.ts'
import { type RevisionChange, type RevisionFilter, type RevisionRecord } from './store.ts'

const HEAD = 'SELECT lineage, epoch, revision, position, hash FROM log_head WHERE fleet = $1'
const RESOURCES = `SELECT resource, id, version, revision, created_at, updated_at, spec
  FROM resource WHERE fleet = $1 ORDER BY resource, id`
const REVISIONS_AFTER = `SELECT epoch, revision, body, previous_hash, hash FROM revision
  WHERE fleet = $1 AND revision > $2 ORDER BY revision LIMIT $3`
/** Each resource's last event at or before a revision; created_at is its last creation's. */
const RESOURCES_AS_OF = `SELECT DISTINCT ON (e.resource, e.id)
    e.resource, e.id, e.version, e.revision,
    (SELECT c.committed_at FROM event b
     JOIN revision c ON c.fleet = b.fleet AND c.revision = b.revision
     WHERE b.fleet = e.fleet AND b.resource = e.resource AND b.id = e.id AND b.version <= e.version
       AND b.type LIKE '%.created' ORDER BY b.version DESC LIMIT 1) AS created_at,
    r.committed_at AS updated_at, e.spec
  FROM event e JOIN revision r ON r.fleet = e.fleet AND r.revision = e.revision
  WHERE e.fleet = $1 AND e.revision <= $2
  ORDER BY e.resource, e.id, e.version DESC`

export interface Reader {
  readonly pool: pg.Pool
  readonly prisma: PrismaClient
  readonly fleet: string
}

export async function readHead({ pool, fleet }: Reader): Promise<Head> {
  return withClient(pool, async (client) => headOf(await headRow(client, fleet)))
}

export async function headRow(client: pg.ClientBase, fleet: string): Promise<HeadRow> {
  const { rows } = await client.query<HeadRow>(HEAD, [fleet])
  const [row] = rows
  if (!row) throw new Error(`fleet ${fleet} has no log`)
  return row
}

export async function readState(client: pg.ClientBase, fleet: string): Promise<Snapshot> {
  const head = headOf(await headRow(client, fleet))
  const { rows } = await client.query<ResourceRow>(RESOURCES, [fleet])
  return snapshotOf(head, rows)
}

/** All desired state at a revision; null where the log does not reach so far. */
export async function readSnapshot(reader: Reader, asOf?: number): Promise<Snapshot | null> {
  return inReadTransaction(reader.pool, async (client) => {
    if (asOf === undefined) return readState(client, reader.fleet)
    const head = headOf(await headRow(client, reader.fleet))
    if (asOf > head.revision) return null
    const { rows } = await client.query<ResourceRow>(RESOURCES_AS_OF, [reader.fleet, asOf])
    const hash = await hashAt(client, { fleet: reader.fleet, revision: asOf, head })
    const present = rows.filter((row) => row.spec !== null)
    return snapshotOf({ ...head, revision: asOf, hash }, present)
  })
}

async function hashAt(
  client: pg.ClientBase,
  { fleet, revision, head }: { fleet: string; revision: number; head: Head },
): Promise<string> {
  if (revision === 0) return '0'.repeat(head.hash.length)
  const sql = 'SELECT hash FROM revision WHERE fleet = $1 AND revision = $2'
  const { rows } = await client.query<{ hash: Buffer }>(sql, [fleet, revision])
  return rows[0]?.hash.toString('hex') ?? head.hash
}

export async function readMessages(
  client: pg.ClientBase,
  {
    fleet,
    lineage,
    after,
    limit,
  }: { fleet: string; lineage: string; after: number; limit: number },
) {
  const { rows } = await client.query<RevisionRow>(REVISIONS_AFTER, [fleet, after, limit])
  return rows.map((row) => messageOf(row, lineage))
}

export async function readRevisionAt({ prisma, fleet }: Reader, time: Date): Promise<number> {
  const row = await asked(
    prisma.revision.findFirst({
      where: { fleet, committedAt: { lte: time } },
      orderBy: { revision: 'desc' },
      select: { revision: true },
    }),
  )
  return Number(row?.revision ?? 0)
}

export async function readResource<Name extends ResourceName>(
  { prisma, fleet }: Reader,
  name: Name,
  id: string,
): Promise<Resource<Name> | null> {
  const where = { fleet_resource_id: { fleet, resource: name, id } }
  const row = await asked(prisma.resource.findUnique({ where }))
  if (!row) return null
  return {
    id: row.id,
    version: Number(row.version),
    revision: Number(row.revision),
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
    spec: row.spec as unknown as Resource<Name>['spec'],
  }
}

/** Revisions, newest first, each with the specs before and after. */
export async function readRevisions(
  reader: Reader,
  filter: RevisionFilter & { readonly only?: number },
): Promise<readonly RevisionRecord[]> {
  const { prisma, fleet } = reader
  const touched = {
    ...(filter.resource === undefined ? {} : { resource: filter.resource }),
    ...(filter.id === undefined ? {} : { id: filter.id }),
  }
  const revisions = await asked(
    prisma.revision.findMany({
      where: {
        fleet,
        ...(filter.only === undefined ? {} : { revision: BigInt(filter.only) }),
        ...(filter.before === undefined ? {} : { revision: { lt: BigInt(filter.before) } }),
        ...(filter.actor === undefined ? {} : { actor: filter.actor }),
        ...(Object.keys(touched).length === 0 ? {} : { events: { some: touched } }),
      },
      orderBy: { revision: 'desc' },
      take: filter.limit,
    }),
  )
  return Promise.all(
    revisions.map(async (row) => {
      const body = bodyOf({ body: Buffer.from(row.body).toString('utf8') })
      return {
        body,
        hash: Buffer.from(row.hash).toString('hex'),
        previousHash: Buffer.from(row.previousHash).toString('hex'),
        changes: await changesOf(reader, body),
      }
    }),
  )
}

async function changesOf(
  { prisma, fleet }: Reader,
  body: RevisionRecord['body'],
): Promise<readonly RevisionChange[]> {
  const before = await asked(
    prisma.event.findMany({
      where: {
        fleet,
        OR: body.events.map(({ resource, id, version }) => ({
          resource,
          id,
          version: BigInt(version - 1),
        })),
      },
    }),
  )
  const key = (resource: string, id: string, version: number) => `${resource}/${id}/${version}`
  const specs = new Map(
    before.map((row) => [key(row.resource, row.id, Number(row.version)), row.spec]),
  )
  return body.events.map((event) => ({
    resource: event.resource,
    id: event.id,
    op: event.type.slice(event.resource.length + 1) as RevisionChange['op'],
    before: (specs.get(key(event.resource, event.id, event.version - 1)) ?? null) as Spec | null,
    after: event.spec,
  }))
}

/** Prisma's "cannot reach the server" as DatabaseUnavailable. */
async function asked<Value>(query: Promise<Value>): Promise<Value> {
  try {
    return await query
  } catch (error) {
    const cause = (error as { cause?: unknown }).cause
    const code = (error as { code?: string }).code ?? ''
    if (/^P(1001|1002|1008|1017|2024)$/.test(code)) {
      throw unavailable(Object.assign(new Error('connection timeout'), { code: 'ETIMEDOUT' }))
    }
    throw unavailable(cause instanceof Error ? cause : driverError(error))
  }
}

function driverError(error: unknown): unknown {
  const text = error instanceof Error ? error.message : ''
  const reached = !/DatabaseNotReachable|SocketTimeout|ConnectionClosed|Can't reach/i.test(text)
  return reached ? error : Object.assign(new Error(text), { code: 'ECONNREFUSED' })
}
