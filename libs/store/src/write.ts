import {
  canonicalJson,
  chainHash,
  type Draft,
  EVENT_SCHEMA,
  type Event,
  type Head,
  type Intent,
  project,
  refuse,
  type RevisionBody,
  type RevisionMessage,
  type Snapshot,
} from '@signalbox/model'
import { type Clock, sha256 } from '@signalbox/host'
import type pg from 'pg'
import { unavailable, withClient } from './database.ts'
import { findAnswer, rememberAnswer } from './idempotency.ts'
import { decideAsking } from './asked.ts'
import { keepDataKeys, shutProblem } from './data-keys.ts'
import { catchUp, type Held, heldOf } from './held.ts'
import { type Source } from './read.ts'
import { type HeadRow } from './rows.ts'
import {
  type Committed,
  DatabaseUnavailable,
  type WriteOutcome,
  type WriteRequest,
} from './store.ts'

const LOCK_TIMEOUT_MS = 2_000
const LOCK_HEAD = 'SELECT lineage, epoch, revision, position, hash FROM log_head WHERE fleet ='

export interface Writer extends Source {
  readonly clock: Clock
  /**
   * The fold of the log as far as this process knows it: committed revisions only. Used under the
   * log's lock, so it is never newer than the head.
   */
  cache: Held | null
  /** A collection of more resources is not kept in memory. */
  readonly heldMax: number
}

interface Done {
  readonly outcome: WriteOutcome
  readonly before: Held
  /** What is held once this is committed; null where there is nothing to commit. */
  readonly after: Held | null
}

/** One command in one transaction. Never retried here: only the caller knows whether it may be. */
export async function writeOnce(writer: Writer, request: WriteRequest): Promise<WriteOutcome> {
  return withClient(writer.pool, async (client) => {
    const row = await lockHead(client, writer.fleet)
    const { outcome, before, after } = await decideUnderLock(writer, client, { request, row })
    if (after) await commit(writer, client)
    else await client.query('ROLLBACK')
    writer.cache = after ?? before
    return outcome
  })
}

/**
 * Begins the transaction and takes the lock, in one round trip. Statements and idle transactions
 * have their limits from the pool.
 */
async function lockHead(client: pg.ClientBase, fleet: string): Promise<HeadRow> {
  const lock = `${LOCK_HEAD} ${client.escapeLiteral(fleet)} FOR UPDATE`
  const begin = `BEGIN; SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS}; ${lock}`
  // Of several statements there are several answers, which the types do not know.
  const answers = (await client.query(begin)) as unknown as readonly pg.QueryResult<HeadRow>[]
  const row = answers.at(-1)?.rows[0]
  if (!row) throw new Error(`fleet ${fleet} has no log`)
  return row
}

/**
 * A lost connection during COMMIT leaves open what happened: the cache is dropped, the caller told.
 */
async function commit(writer: Writer, client: pg.ClientBase): Promise<void> {
  try {
    await client.query('COMMIT')
  } catch (error) {
    writer.cache = null
    const cause = unavailable(error)
    if (!(cause instanceof DatabaseUnavailable)) throw error
    const message = 'the database was lost during the commit: the outcome is unknown'
    throw new DatabaseUnavailable(message, { cause })
  }
}

async function decideUnderLock(
  writer: Writer,
  client: pg.ClientBase,
  { request, row }: { readonly request: WriteRequest; readonly row: HeadRow },
): Promise<Done> {
  const { fleet, cache, heldMax } = writer
  const before = await catchUp(client, { fleet, cache, heldMax, row })
  const nothing = { before, after: null }

  // Looked up under the lock, so that of two twins that race the second one finds the first's.
  const idempotency = request.dryRun ? null : request.idempotency
  const earlier = idempotency && (await findAnswer(client, writer.fleet, idempotency))
  if (earlier === 'mismatch') return { ...nothing, outcome: MISMATCH }
  if (earlier) return { ...nothing, outcome: { kind: 'replayed', ...earlier } }
  const { result, seen } = await decideAsking(client, { fleet, held: before, request })
  if (!result.ok) return { ...nothing, outcome: { kind: 'refused', refusal: result.error } }

  const committed =
    result.value.length === 0
      ? null
      : await append(writer, client, { request, before: seen, row, drafts: result.value })
  const shut = committed && (await shutProblem(client, fleet, committed.body))
  if (shut) return { ...nothing, outcome: { kind: 'refused', refusal: shut } }
  const answer = request.present(committed, seen)
  const revision = committed?.message.revision ?? seen.head.revision
  if (request.dryRun) return { ...nothing, outcome: { kind: 'unchanged', answer, revision } }
  if (idempotency) {
    const at = new Date(writer.clock.nowMs())
    await rememberAnswer(client, { ...idempotency, fleet: writer.fleet, answer, revision, at })
  }
  const kind = committed ? 'committed' : 'unchanged'
  const after = committed ? heldOf(committed.after, before.large, heldMax) : before
  return { outcome: { kind, answer, revision }, before, after }
}

const MISMATCH: WriteOutcome = {
  kind: 'refused',
  refusal: refuse('idempotency_mismatch', 'this Idempotency-Key was used with another request'),
}

interface Appending {
  readonly request: WriteRequest
  readonly before: Snapshot
  readonly row: HeadRow
  readonly drafts: readonly Draft[]
}

export interface Next {
  readonly fleet: string
  readonly head: Head
  readonly at: Date
  readonly intent: Intent
  readonly events: readonly Event[]
}

/** The revision that follows a head, in the log. The caller holds the log's lock. */
export async function appendAfter(
  client: pg.ClientBase,
  { fleet, head, at, intent, events }: Next,
): Promise<{ readonly message: RevisionMessage; readonly body: RevisionBody }> {
  const body: RevisionBody = {
    v: 1,
    fleet,
    lineage: head.lineage,
    epoch: head.epoch,
    revision: head.revision + 1,
    at: at.toISOString(),
    actor: intent.actor.id,
    role: intent.actor.role,
    source: intent.source,
    reason: intent.reason,
    requestId: intent.requestId,
    changeRef: intent.changeRef,
    address: intent.address,
    ...undoneBy(intent, head.revision),
    events,
  }
  const { lineage, epoch, revision } = body
  const link = { previousHash: head.hash, epoch, revision, body: canonicalJson(body) }
  const message = { lineage, ...link, hash: chainHash(link, sha256) }
  await client.query('SELECT append_revision($1, $2, $3)', [
    fleet,
    Buffer.from(message.body, 'utf8'),
    Buffer.from(message.hash, 'hex'),
  ])
  return { message, body }
}

async function append(
  { fleet, clock }: Writer,
  client: pg.ClientBase,
  { request, before, row, drafts }: Appending,
): Promise<Committed> {
  const { head } = before
  const events = await numberEvents(client, { fleet, drafts, position: Number(row.position) })
  const { dataKeys } = request
  if (dataKeys) await keepDataKeys(client, fleet, { events, dataKeys })
  const { message, body } = await appendAfter(client, {
    ...{ fleet, head, events, intent: request.intent },
    at: new Date(clock.nowMs()),
  })
  return { message, body, before, after: project(before, message, body) }
}

function undoneBy({ undoesAfter: after }: Intent, through: number): Pick<RevisionBody, 'undoes'> {
  return after === undefined ? {} : { undoes: { after, through } }
}

const NONE: ReadonlyMap<Draft, number> = new Map()
const LAST_VERSIONS = `SELECT max(e.version) AS version
  FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS draft (resource, id, nth)
  LEFT JOIN event e ON e.fleet = $1 AND e.resource = draft.resource AND e.id = draft.id
  GROUP BY draft.nth ORDER BY draft.nth`

/**
 * Positions, and versions that go on across delete and re-create: the drafts' own versions know
 * only what exists now, so the last version of what is created is asked of the log.
 */
async function numberEvents(
  client: pg.ClientBase,
  { fleet, drafts, position }: { fleet: string; drafts: readonly Draft[]; position: number },
): Promise<readonly Event[]> {
  const created = drafts.filter(({ type }) => type.endsWith('.created'))
  const versions = created.length > 0 ? await readVersions(client, fleet, created) : NONE
  return drafts.map((draft, index) => ({
    ...draft,
    version: versions.get(draft) ?? draft.version,
    position: position + index + 1,
    schema: EVENT_SCHEMA,
  }))
}

async function readVersions(
  client: pg.ClientBase,
  fleet: string,
  created: readonly Draft[],
): Promise<ReadonlyMap<Draft, number>> {
  const { rows } = await client.query<{ version: string | null }>(LAST_VERSIONS, [
    fleet,
    created.map(({ resource }) => resource),
    created.map(({ id }) => id),
  ])
  return new Map(created.map((draft, nth) => [draft, Number(rows[nth]?.version ?? 0) + 1]))
}
