import { type Head, type Intent } from '@signalbox/model'
import type pg from 'pg'
import { withClient } from './database.ts'
import { headOf, type HeadRow } from './rows.ts'
import { type EpochCause } from './store.ts'
import { appendAfter, type Writer } from './write.ts'

/*
 * One lineage, one order: that holds as long as what was committed stays committed. A backup that
 * is restored, or a server that takes over with less than the one before had, takes revisions
 * back that proxies have applied; the next ones would get the same numbers. So a new epoch begins,
 * at the latest when somebody is met who has seen more: a revision of a newer epoch counts as
 * newer whatever its number, and who has another history builds it anew (libs/bus, follower.ts).
 */

const LOCK_TIMEOUT_MS = 2_000
const LOCK_HEAD = `SELECT lineage, epoch, revision, position, hash, system_identifier, timeline
  FROM log_head WHERE fleet = $1 FOR UPDATE`
const PUT_PLACE = `UPDATE log_head SET epoch = $2, system_identifier = $3, timeline = $4
  WHERE fleet = $1`
/**
 * Which Postgres this is: initdb's number, which a dump that is restored elsewhere does not have,
 * and the timeline, which every promotion and every recovery to a point in time counts up.
 */
const PLACE = `SELECT (pg_control_system()).system_identifier::text AS system_identifier,
  ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer AS timeline`

interface Place {
  readonly system_identifier: string | null
  readonly timeline: number | null
}

const SYSTEM_INTENT: Intent = {
  actor: { id: 'system', role: 'admin' },
  source: 'system',
  reason: null,
  requestId: '',
  changeRef: null,
  address: null,
}

/** Store.keepEpoch(). */
export async function keepEpoch(writer: Writer, cause: EpochCause): Promise<string | null> {
  return withClient(writer.pool, async (client) => {
    const place = await placeOf(client)
    await client.query(`BEGIN; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}`)
    const { rows } = await client.query<HeadRow & Place>(LOCK_HEAD, [writer.fleet])
    const [row] = rows
    if (!row) throw new Error(`fleet ${writer.fleet} has no log`)
    const head = headOf(row)
    const reason = reasonFor(cause, { head, before: row, now: place })
    const epoch = reason === null ? head.epoch : head.epoch + 1
    const { system_identifier: system, timeline } = place ?? row
    const moved = system !== row.system_identifier || timeline !== row.timeline
    if (moved || reason !== null) {
      await client.query(PUT_PLACE, [writer.fleet, epoch, system, timeline])
    }
    if (reason !== null) {
      const intent = cause.kind === 'asked' ? cause.intent : { ...SYSTEM_INTENT, reason }
      const { fleet, clock } = writer
      const at = new Date(clock.nowMs())
      await appendAfter(client, { fleet, head: { ...head, epoch }, at, intent, events: [] })
      writer.cache = null
    }
    await client.query('COMMIT')
    return reason
  })
}

interface Found {
  readonly head: Head
  readonly before: Place
  readonly now: Place | null
}

function reasonFor(cause: EpochCause, { head, before, now }: Found): string | null {
  if (cause.kind === 'asked') return cause.intent.reason ?? 'an operator asked for it'
  const known = before.system_identifier !== null && now !== null
  if (known && before.system_identifier !== now.system_identifier) {
    return 'the log is in another database system than before: restored from a dump?'
  }
  if (known && before.timeline !== now.timeline) {
    return `Postgres is on timeline ${now.timeline}, no longer ${before.timeline}: it was promoted`
  }
  const { head: seen } = cause
  const same = seen?.lineage === head.lineage && seen.epoch === head.epoch
  if (!same || seen.revision <= head.revision) return null
  return `the log ends at ${head.revision}, but revision ${seen.revision} has been seen: a backup?`
}

/** Null where this Postgres does not tell (no permission, or a standby). */
async function placeOf(client: pg.ClientBase): Promise<Place | null> {
  try {
    const { rows } = await client.query<Place>(PLACE)
    return rows[0] ?? null
  } catch (error) {
    const { code } = error as { code?: unknown }
    if (typeof code === 'string' && code.length === 5) return null
    throw error
  }
}
