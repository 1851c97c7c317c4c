import { type Resource, type ResourceName, type Spec, upcastSpec } from '@signalbox/model'
import { isNotNow, unavailable } from './database.ts'
import { type PrismaClient } from './generated/client.ts'
import { type ChangeRow, readChanges, type Source } from './read.ts'
import { bodyOf } from './rows.ts'
import {
  DatabaseUnavailable,
  type RevisionChange,
  type RevisionFilter,
  type RevisionRecord,
} from './store.ts'

/** Where the read models and the history are asked. */
export interface Reader extends Source {
  readonly prisma: PrismaClient
}

/** The newest revision committed at or before a time; 0 where there was none. */
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
    // Written by append_revision() from a spec that decide() had checked.
    spec: upcastSpec(name, row.spec as unknown as Spec, row.schema) as Resource<Name>['spec'],
  }
}

export async function readRevision(
  reader: Reader,
  revision: number,
): Promise<RevisionRecord | null> {
  const { prisma, fleet } = reader
  const where = { fleet_revision: { fleet, revision: BigInt(revision) } }
  const row = await asked(prisma.revision.findUnique({ where }))
  return row ? ((await withChanges(reader, [row]))[0] ?? null) : null
}

/** Revisions, newest first, each with the specs before and after. */
export async function readRevisions(
  reader: Reader,
  { before, limit, actor, resource, id, from, to }: RevisionFilter,
): Promise<readonly RevisionRecord[]> {
  const { prisma, fleet } = reader
  const touched = { ...(resource && { resource }), ...(id !== undefined && { id }) }
  const rows = await asked(
    prisma.revision.findMany({
      where: {
        fleet,
        ...(before !== undefined && { revision: { lt: BigInt(before) } }),
        ...(actor !== undefined && { actor }),
        ...((from ?? to) && {
          committedAt: { ...(from && { gte: from }), ...(to && { lte: to }) },
        }),
        ...(Object.keys(touched).length > 0 && { events: { some: touched } }),
      },
      orderBy: { revision: 'desc' },
      take: limit,
    }),
  )
  return withChanges(reader, rows)
}

interface StoredRevision {
  readonly revision: bigint
  readonly body: Uint8Array
  readonly hash: Uint8Array
  readonly previousHash: Uint8Array
}

/** Revisions never change, so that their events may be asked for afterwards: once, for all. */
async function withChanges(
  reader: Reader,
  rows: readonly StoredRevision[],
): Promise<readonly RevisionRecord[]> {
  if (rows.length === 0) return []
  const revisions = rows.map((row) => row.revision)
  const changes = Map.groupBy(await readChanges(reader, revisions), (row) => BigInt(row.revision))
  return rows.map((row) => ({
    body: bodyOf({ body: Buffer.from(row.body).toString('utf8') }),
    hash: Buffer.from(row.hash).toString('hex'),
    previousHash: Buffer.from(row.previousHash).toString('hex'),
    changes: (changes.get(row.revision) ?? []).map(changeOf),
  }))
}

function changeOf({ resource, id, type, before, after }: ChangeRow): RevisionChange {
  const op = type.slice(resource.length + 1) as RevisionChange['op']
  return { resource, id, op, before, after }
}

/** Prisma's "cannot reach the server", "closed", "timed out" and "no connection in time". */
const PRISMA_NOT_NOW = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2037'])

/** Prisma's ways to say that the database does not answer now, as DatabaseUnavailable. */
async function asked<Value>(query: Promise<Value>): Promise<Value> {
  try {
    return await query
  } catch (error) {
    const code = codeOf(error)
    if (!PRISMA_NOT_NOW.has(code) && !isNotNow(code)) throw unavailable(error)
    throw new DatabaseUnavailable(`the database does not answer (${code})`, { cause: error })
  }
}

interface PrismaError {
  readonly code?: unknown
  readonly meta?: { readonly driverAdapterError?: { readonly cause?: { originalCode?: unknown } } }
}

/** Postgres' own code where it said one, else Prisma's. */
function codeOf(error: unknown): string {
  const { code, meta } = error as PrismaError
  return String(meta?.driverAdapterError?.cause?.originalCode ?? code ?? '')
}
