import {
  type Head,
  type Named,
  type Resource,
  type ResourceName,
  secretOf,
  type Snapshot,
  snapshotFrom,
  type Spec,
} from '@signalbox/model'
import type pg from 'pg'
import { inReadTransaction } from './database.ts'
import { readNamed } from './held.ts'
import { readNamedThen } from './past.ts'
import { headAt, readHeadOf, readWholeCollection, type Source } from './read.ts'
import { resourceOf, type ResourceRow } from './rows.ts'

/** What is asked about: requests for some models, and what a change would touch. */
export interface Concern {
  readonly models: readonly string[]
  /** Of these one looks: what they are now, whatever they serve. */
  readonly named?: readonly Named[]
  /** What these refer to is looked at as well. */
  readonly specs?: readonly Spec[]
}

const LAST = `SELECT DISTINCT ON (id) resource, id, version, revision, schema, spec
  FROM event WHERE fleet = $1 AND resource = $2 AND revision <= $3 ORDER BY id, version DESC`
/** `filter` speaks of the columns of a resource, and of $4 and on. */
const nowWhere = (filter: string) => `SELECT resource, id, version, revision, created_at,
    updated_at, schema, spec
  FROM resource WHERE fleet = $1 AND resource = $2 AND revision <= $3 AND (${filter})`
const thenWhere = (filter: string) => `
  WITH last AS (${LAST})
  SELECT last.*, updated.committed_at AS updated_at, created.committed_at AS created_at
  FROM last
  JOIN revision updated ON updated.fleet = $1 AND updated.revision = last.revision
  CROSS JOIN LATERAL (
    SELECT revision FROM event e
    WHERE e.fleet = $1 AND e.resource = last.resource AND e.id = last.id
      AND e.version <= last.version AND e.type = e.resource || '.created'
    ORDER BY e.version DESC LIMIT 1) creation
  JOIN revision created ON created.fleet = $1 AND created.revision = creation.revision
  WHERE last.spec IS NOT NULL AND (${filter})`
const ANY = 'true'
const BY_NAME = `id = ANY ($4) OR spec -> 'aliases' ?| $4`
const BY_USE = `id = ANY ($4) OR spec -> 'models' ?| $5
  OR EXISTS (SELECT 1 FROM unnest($6::jsonb[]) wanted WHERE spec -> 'labels' @> wanted)`

interface At {
  readonly fleet: string
  readonly head: Head
  /** Whether that is where the log ends. */
  readonly now: boolean
}

/**
 * The part of the state, now or at a revision, that requests for some models depend on: routes of
 * these names and what they fall back to, the backends that could ever serve one, their secrets,
 * and all policies and settings; of keys only those that are named. So an answer about a few
 * requests costs what it is about, however large the fleet is. Null where the log does not reach
 * so far.
 */
export async function readConcerning(
  { pool, fleet }: Source,
  concern: Concern & { readonly discovered: readonly string[] },
  asOf?: number,
): Promise<Snapshot | null> {
  return inReadTransaction(pool, async (client) => {
    const end = await readHeadOf(client, fleet)
    const { revision } = end
    if (asOf !== undefined && asOf > revision) return null
    const now = asOf === undefined || asOf === revision
    const at = { fleet, now, head: now ? end : await headAt(client, { fleet, asOf, now: end }) }
    return readParts(client, at, concern)
  })
}

async function readParts(
  client: pg.ClientBase,
  at: At,
  concern: Concern & { readonly discovered: readonly string[] },
): Promise<Snapshot> {
  const { models, discovered, named = [], specs = [] } = concern
  const parts = new Map<ResourceName, Map<string, Resource>>()
  const put = (name: ResourceName, all: Iterable<Resource>) => {
    const part = parts.get(name) ?? new Map<string, Resource>()
    parts.set(name, part)
    for (const one of all) part.set(one.id, one)
  }
  const found = at.now
    ? await readNamed(client, at.fleet, named)
    : await readNamedThen(client, { fleet: at.fleet, revision: at.head.revision, named })
  for (const [name, all] of found) put(name, all)
  const drafted = specs.filter((spec) => 'tiers' in spec)
  const routes = await readRoutes(client, at, {
    names: [...models, ...drafted.flatMap(({ fallbacks }) => fallbacks)],
  })
  put('route', routes)
  const targets = [...routes.map(({ spec }) => spec), ...drafted].flatMap(({ tiers }) =>
    tiers.flatMap((tier) => tier.targets),
  )
  const ids = targets.flatMap(({ backend }) => (backend === undefined ? [] : [backend]))
  const labels = new Set(targets.flatMap((one) => (one.labels ? [JSON.stringify(one.labels)] : [])))
  const values = [[...new Set([...ids, ...discovered])], models, [...labels]]
  put('backend', await readWhere(client, at, { name: 'backend', filter: BY_USE, values }))
  for (const name of ['policy', 'settings'] as const) {
    const all = at.now
      ? await readWholeCollection(client, at.fleet, name)
      : await readWhere(client, at, { name, filter: ANY, values: [] })
    put(name, all)
  }
  const held = [...(parts.get('backend')?.values() ?? [])].map(({ spec }) => spec)
  const secrets = [...held, ...specs].flatMap((spec) => {
    const secret = 'credential' in spec ? secretOf(spec) : undefined
    return secret === undefined ? [] : [secret]
  })
  const filter = 'id = ANY ($4)'
  put('secret', await readWhere(client, at, { name: 'secret', filter, values: [secrets] }))
  return snapshotFrom(at.head, (name) => parts.get(name) ?? new Map())
}

/** The routes of these names, and all that they fall back to. */
async function readRoutes(
  client: pg.ClientBase,
  at: At,
  { names }: { readonly names: readonly string[] },
): Promise<readonly Resource<'route'>[]> {
  const asked = new Set(names)
  const found = new Map<string, Resource<'route'>>()
  for (let open = [...asked]; open.length > 0;) {
    const rows = await readWhere(client, at, { name: 'route', filter: BY_NAME, values: [open] })
    for (const row of rows as readonly Resource<'route'>[]) found.set(row.id, row)
    const next = [...found.values()].flatMap(({ spec }) => spec.fallbacks)
    open = [...new Set(next)].filter((id) => !asked.has(id))
    for (const id of open) asked.add(id)
  }
  return [...found.values()]
}

async function readWhere(
  client: pg.ClientBase,
  { fleet, head, now }: At,
  where: {
    readonly name: ResourceName
    readonly filter: string
    readonly values: readonly unknown[]
  },
): Promise<readonly Resource[]> {
  const { name, filter, values } = where
  const sql = now ? nowWhere(filter) : thenWhere(filter)
  const { rows } = await client.query<ResourceRow>(sql, [fleet, name, head.revision, ...values])
  return rows.map(resourceOf)
}
