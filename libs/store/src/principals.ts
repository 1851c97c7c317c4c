import { type Resource } from '@signalbox/model'
import { withClient } from './database.ts'
import { type Source } from './read.ts'
import { resourceOf, type ResourceRow } from './rows.ts'
import { type Part } from './store.ts'

const PRINCIPALS = `SELECT resource, id, version, revision, created_at, updated_at, schema, spec
  FROM resource WHERE fleet = $1 AND resource = 'principal'`
const NOTE_USES = `INSERT INTO last_use (fleet, principal, at)
  SELECT $1, * FROM unnest($2::text[], $3::timestamptz[])
  ON CONFLICT (fleet, principal) DO UPDATE SET at = greatest(last_use.at, excluded.at)`
const LAST_USES = `SELECT principal, at FROM last_use
  WHERE fleet = $1 AND principal COLLATE "C" > $2 ORDER BY principal COLLATE "C" LIMIT $3`

/** All principals as they are now. */
export async function readPrincipals({
  pool,
  fleet,
}: Source): Promise<readonly Resource<'principal'>[]> {
  const { rows } = await withClient(pool, (client) =>
    client.query<ResourceRow>(PRINCIPALS, [fleet]),
  )
  return rows.map((row) => resourceOf(row) as Resource<'principal'>)
}

/** Notes when principals were last seen, by id; an earlier time changes nothing. */
export async function noteUses(
  { pool, fleet }: Source,
  uses: ReadonlyMap<string, Date>,
): Promise<void> {
  if (uses.size === 0) return
  const columns = [[...uses.keys()], [...uses.values()]]
  await withClient(pool, (client) => client.query(NOTE_USES, [fleet, ...columns]))
}

export async function readLastUses(
  { pool, fleet }: Source,
  { after = '', limit }: Part,
): Promise<ReadonlyMap<string, Date>> {
  const { rows } = await withClient(pool, (client) =>
    client.query<{ principal: string; at: Date }>(LAST_USES, [fleet, after, limit]),
  )
  return new Map(rows.map(({ principal, at }) => [principal, at]))
}
