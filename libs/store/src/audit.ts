import { SETTINGS_ID } from '@signalbox/model'
import { withClient } from './database.ts'
import { type Source } from './read.ts'
import { type Denial, type DenialRecord, type KeptCheckpoint } from './store.ts'

/** How long it is kept who was turned away, where the settings do not say. */
const DENIALS_KEPT_DAYS = 90
const REMOVED_AT_ONCE_MAX = 1_000

const KEEP_CHECKPOINT = `INSERT INTO checkpoint (fleet, revision, at, note)
  VALUES ($1, $2, $3, $4) ON CONFLICT (fleet, revision) DO NOTHING`
const CHECKPOINTS = `SELECT revision, at, note FROM checkpoint WHERE fleet = $1
  ORDER BY revision DESC LIMIT $2`
const RECORD_DENIALS = `INSERT INTO denial
    (fleet, at, actor, role, address, method, path, status, code, request_id)
  SELECT $1, * FROM unnest($2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[],
    $7::text[], $8::integer[], $9::text[], $10::text[])`
const FORGET_DENIALS = `DELETE FROM denial WHERE id = ANY (ARRAY (
    SELECT id FROM denial
    WHERE fleet = $1 AND at < $2::timestamptz - make_interval(days => coalesce((
      SELECT (spec ->> 'denialsKeptDays')::integer FROM resource
      WHERE fleet = $1 AND resource = 'settings' AND id = $3), ${DENIALS_KEPT_DAYS}))
    ORDER BY at LIMIT ${REMOVED_AT_ONCE_MAX}))`
const DENIALS = `SELECT id, at, actor, role, address, method, path, status, code, request_id
  FROM denial WHERE fleet = $1 AND ($2::bigint IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`

/** Keeps what was signed; the same revision is kept once. */
export async function keepCheckpoint(
  { pool, fleet }: Source,
  { revision, at, note }: KeptCheckpoint,
): Promise<void> {
  await withClient(pool, (client) => client.query(KEEP_CHECKPOINT, [fleet, revision, at, note]))
}

/** The newest ones, newest first. */
export async function readCheckpoints(
  { pool, fleet }: Source,
  limit: number,
): Promise<readonly KeptCheckpoint[]> {
  const { rows } = await withClient(pool, (client) =>
    client.query<{ revision: string; at: Date; note: string }>(CHECKPOINTS, [fleet, limit]),
  )
  return rows.map(({ revision, at, note }) => ({
    revision: Number(revision),
    at: at.toISOString(),
    note,
  }))
}

/** Writes who was turned away, and drops some of what is old. */
export async function recordDenials(
  { pool, fleet }: Source,
  denials: readonly Denial[],
): Promise<void> {
  const last = denials.at(-1)
  if (!last) return
  const column = (name: keyof Denial) => denials.map((denial) => denial[name])
  const names = ['at', 'actor', 'role', 'address', 'method', 'path', 'status', 'code'] as const
  const columns = [...names, 'requestId' as const].map(column)
  await withClient(pool, async (client) => {
    await client.query(RECORD_DENIALS, [fleet, ...columns])
    await client.query(FORGET_DENIALS, [fleet, last.at, SETTINGS_ID])
  })
}

interface DenialRow extends Omit<Denial, 'at' | 'requestId'> {
  readonly id: string
  readonly at: Date
  readonly request_id: string
}

/** Newest first; strictly older than the row `before` where given. */
export async function readDenials(
  { pool, fleet }: Source,
  { before, limit }: { readonly before: number | null; readonly limit: number },
): Promise<readonly DenialRecord[]> {
  const { rows } = await withClient(pool, (client) =>
    client.query<DenialRow>(DENIALS, [fleet, before, limit]),
  )
  return rows.map(({ request_id: requestId, id, at, ...rest }) => {
    return { ...rest, requestId, id: Number(id), at: at.toISOString() }
  })
}
