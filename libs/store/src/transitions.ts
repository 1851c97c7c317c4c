import { type Health } from '@signalbox/model'
import { withClient } from './database.ts'
import { type Source } from './read.ts'

/** A backend changed sides. */
export interface Transition {
  readonly backend: string
  readonly health: Health
  /** When it did, by the clocks of the probes; RFC 3339, UTC. */
  readonly since: string
  /** When it was noticed; RFC 3339, UTC. */
  readonly at: string
  /** Safe text: what the probe that looked last gave as the reason; null where it is ready. */
  readonly error: string | null
  /** The probes that said so. */
  readonly observers: readonly string[]
}
export type KeptTransition = Transition & { readonly id: number }

/** Rejects with DatabaseUnavailable; everything else is a value. */
export interface TransitionStore {
  /**
   * Keeps them in their order: those that are one. A backend that is where it was has not changed,
   * whoever says so; what is old goes.
   */
  record(transitions: readonly Transition[]): Promise<void>
  /** Newest first; strictly older than the row `before` where given. */
  of(
    backend: string,
    page: { readonly before: number | null; readonly limit: number },
  ): Promise<readonly KeptTransition[]>
}

/** Of one backend: one that flaps for days leaves room for the others. */
export const TRANSITIONS_OF_ONE_MAX = 200
const KEPT_DAYS = 30
const REMOVED_AT_ONCE_MAX = 1_000
/** Any number that nobody else locks on. */
const LOCK_ID = 72_707_371

const RECORD = `INSERT INTO transition (fleet, backend, health, since, at, error, observers)
  SELECT $1, $2, $3, $4, $5, $6, $7 WHERE $3 IS DISTINCT FROM (
    SELECT health FROM transition WHERE fleet = $1 AND backend = $2 ORDER BY id DESC LIMIT 1)
  ON CONFLICT ON CONSTRAINT transition_once DO NOTHING`
const KEEP_NEWEST = `DELETE FROM transition WHERE fleet = $1 AND backend = $2 AND id < (
    SELECT min(id) FROM (SELECT id FROM transition WHERE fleet = $1 AND backend = $2
      ORDER BY id DESC LIMIT ${TRANSITIONS_OF_ONE_MAX}) AS newest)`
const FORGET = `DELETE FROM transition WHERE id = ANY (ARRAY (SELECT id FROM transition
  WHERE fleet = $1 AND at < $2::timestamptz - make_interval(days => ${KEPT_DAYS})
  ORDER BY at LIMIT ${REMOVED_AT_ONCE_MAX}))`
const LIST = `SELECT id, backend, health, since, at, error, observers FROM transition
  WHERE fleet = $1 AND backend = $2 AND ($3::bigint IS NULL OR id < $3) ORDER BY id DESC LIMIT $4`

interface Row extends Omit<Transition, 'since' | 'at'> {
  readonly id: string
  readonly since: Date
  readonly at: Date
}

export function transitionStore({ pool, fleet }: Source): TransitionStore {
  return {
    record: async (transitions) => {
      const last = transitions.at(-1)
      if (!last) return
      await withClient(pool, async (client) => {
        await client.query('BEGIN')
        try {
          // Two that heard the same at once: the second sees what the first has kept.
          await client.query('SELECT pg_advisory_xact_lock($1)', [LOCK_ID])
          for (const { backend, health, since, at, error, observers } of transitions) {
            await client.query(RECORD, [fleet, backend, health, since, at, error, observers])
          }
          const backends = new Set(transitions.map(({ backend }) => backend))
          for (const backend of backends) await client.query(KEEP_NEWEST, [fleet, backend])
          await client.query(FORGET, [fleet, last.at])
          await client.query('COMMIT')
        } catch (error) {
          await client.query('ROLLBACK').catch(() => {})
          throw error
        }
      })
    },
    of: async (backend, { before, limit }) => {
      const { rows } = await withClient(pool, (client) =>
        client.query<Row>(LIST, [fleet, backend, before, limit]),
      )
      return rows.map(({ id, since, at, ...more }) => {
        return { id: Number(id), ...more, since: since.toISOString(), at: at.toISOString() }
      })
    },
  }
}
