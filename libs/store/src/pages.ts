import { type Head, type Resource, type ResourceName } from '@signalbox/model'
import type pg from 'pg'
import { inReadTransaction } from './database.ts'
import { readHeadOf, type Source } from './read.ts'
import { resourceOf, type ResourceRow } from './rows.ts'
import { type Page, type PageQuery } from './store.ts'

/** ids are ASCII; in C order, which is the one of their UTF-16 code units as well. */
const FILTERS = `AND id COLLATE "C" > $3
  AND ($4::text IS NULL OR position(lower($4) in lower(id)) > 0)
  AND ($5::text IS NULL OR spec ->> 'kind' = $5)
  AND ($6::text IS NULL OR (jsonb_typeof(spec -> 'labels') = 'object' AND spec -> 'labels' ? $6
    AND ($7::text IS NULL OR spec -> 'labels' ->> $6 = $7)))`
const NOW = `SELECT resource, id, version, revision, created_at, updated_at, schema, spec
  FROM resource WHERE fleet = $1 AND resource = $2 ${FILTERS} ORDER BY id COLLATE "C" LIMIT $8`
/**
 * The index has the order of a page. The planner cannot know what a filter on a spec lets through,
 * and would rather sort a million rows.
 */
const IN_ORDER = 'SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off'
const THEN = `
  WITH last AS (
    SELECT DISTINCT ON (id COLLATE "C") resource, id, version, revision, schema, spec
    FROM event WHERE fleet = $1 AND resource = $2 AND revision <= $9 AND id COLLATE "C" > $3
    ORDER BY id COLLATE "C", version DESC),
  page AS (
    SELECT * FROM last WHERE spec IS NOT NULL ${FILTERS} ORDER BY id COLLATE "C" LIMIT $8)
  SELECT page.*, updated.committed_at AS updated_at, created.committed_at AS created_at
  FROM page
  JOIN revision updated ON updated.fleet = $1 AND updated.revision = page.revision
  CROSS JOIN LATERAL (
    SELECT revision FROM event e
    WHERE e.fleet = $1 AND e.resource = page.resource AND e.id = page.id
      AND e.version <= page.version AND e.type = e.resource || '.created'
    ORDER BY e.version DESC LIMIT 1) creation
  JOIN revision created ON created.fleet = $1 AND created.revision = creation.revision
  ORDER BY page.id COLLATE "C"`

/**
 * One page of a collection, sorted by id, as it is now or was at a revision; null where the log
 * does not reach so far.
 */
export async function readPage<Name extends ResourceName>(
  { pool, fleet }: Source,
  name: Name,
  query: PageQuery,
): Promise<Page<Name> | null> {
  return inReadTransaction(pool, async (client) => {
    const head = await readHeadOf(client, fleet)
    const { asOf = head.revision } = query
    if (asOf > head.revision) return null
    const rows = await rowsOf(client, { fleet, name, head, query })
    const items = rows.map((row) => resourceOf(row) as Resource<Name>)
    return { revision: asOf, items: items.slice(0, query.limit), more: items.length > query.limit }
  })
}

async function rowsOf(
  client: pg.ClientBase,
  asked: { fleet: string; name: ResourceName; head: Head; query: PageQuery },
): Promise<readonly ResourceRow[]> {
  const { fleet, name, head, query } = asked
  const { after = '', limit, q = null, kind = null, label, asOf = head.revision } = query
  const filters = [after, q, kind, label?.name ?? null, label?.value ?? null]
  // One more than a page: whether there is another one.
  const values = [fleet, name, ...filters, limit + 1]
  const now = asOf === head.revision
  await client.query(IN_ORDER)
  const { rows } = await client.query<ResourceRow>(
    now ? NOW : THEN,
    now ? values : [...values, asOf],
  )
  return rows
}
