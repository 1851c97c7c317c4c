import {
  canonicalJson,
  chainHash,
  type Draft,
  err,
  EVENT_SCHEMA,
  type Event,
  ok,
  project,
  refuse,
  type Refusal,
  type Result,
  type RevisionBody,
  type Snapshot,
} from '@signalbox/model'
import { type Clock, sha256 } from '@signalbox/host'
import type pg from 'pg'
import { STATEMENT_TIMEOUT_MS, unavailable, withClient } from './database.ts'
import { readMessages, readState } from './read.ts'
import { bodyOf, headOf, type HeadRow } from './rows.ts'
import {
  type Committed,
  DatabaseUnavailable,
  type StoredAnswer,
  type WriteOutcome,
  type WriteRequest,
} from './store.ts'

const LOCK_TIMEOUT_MS = 2_000
/** Above this many missed revisions the state is read whole instead of folded. */
const CATCH_UP_MAX = 1_000
const LOCK_HEAD = `SELECT lineage, epoch, revision, position, hash FROM log_head
  WHERE fleet = $1 FOR UPDATE`

export interface Writer {
  readonly pool: pg.Pool
  readonly fleet: string
  readonly clock: Clock
  /**
   * The fold of the log as far as this process knows it. Only read and set under the log's lock.
   */
  cache: Snapshot | null
}

interface Done {
  readonly outcome: WriteOutcome
  /** What the cache becomes once this is committed; absent: as it was caught up. */
  readonly next: Snapshot
  readonly keep: boolean
}

/** One command in one transaction. Never retried here: only the caller knows whether it may be. */
export async function writeOnce(writer: Writer, request: WriteRequest): Promise<WriteOutcome> {
  return withClient(writer.pool, async (client) => {
    await client.query('BEGIN')
    await client.query(
      `SET LOCAL lock_timeout = ${LOCK_TIMEOUT_MS};
       SET LOCAL statement_timeout = ${STATEMENT_TIMEOUT_MS}`,
    )
    const done = await decideUnderLock(writer, client, request)
    if (!done.keep) {
      await client.query('ROLLBACK')
      return done.outcome
    }
    await commit(writer, client)
    writer.cache = done.next
    return done.outcome
  })
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
    throw new DatabaseUnavailable('the database was lost during the commit: the outcome is unknown')
  }
}

async function decideUnderLock(
  writer: Writer,
  client: pg.ClientBase,
  request: WriteRequest,
): Promise<Done> {
  const { rows } = await client.query<HeadRow>(LOCK_HEAD, [writer.fleet])
  const [row] = rows
  if (!row) throw new Error(`fleet ${writer.fleet} has no log`)
  const before = await catchUp(writer, client, row)
  const nothing = { next: before, keep: false }

  const earlier = await findAnswer(writer, client, request)
  if (earlier) return { ...nothing, outcome: earlier }
  const decided = request.decide(before)
  if (!decided.ok) return { ...nothing, outcome: { kind: 'refused', refusal: decided.error } }

  const committed =
    decided.value.length === 0
      ? null
      : await append(writer, client, { request, before, row, drafts: decided.value })
  const answer = request.present(committed, before)
  const revision = committed?.message.revision ?? before.head.revision
  const kind = committed && !request.dryRun ? 'committed' : 'unchanged'
  if (!request.dryRun) await remember(writer, client, { request, answer, revision })
  return {
    outcome: { kind, answer, revision },
    next: committed?.after ?? before,
    keep: !request.dryRun,
  }
}

/** The state at the locked head: the cached fold plus what other instances appended. */
async function catchUp(writer: Writer, client: pg.ClientBase, row: HeadRow): Promise<Snapshot> {
  const head = headOf(row)
  const cached = writer.cache
  const behind =
    cached && cached.head.lineage === head.lineage && cached.head.epoch === head.epoch
      ? head.revision - cached.head.revision
      : -1
  if (!cached || behind < 0 || behind > CATCH_UP_MAX) return readState(client, writer.fleet)
  const range = { lineage: head.lineage, after: cached.head.revision, limit: CATCH_UP_MAX }
  const messages = behind === 0 ? [] : await readMessages(client, { fleet: writer.fleet, ...range })
  return messages.reduce((state, message) => project(state, message, bodyOf(message)), cached)
}

interface Appending {
  readonly request: WriteRequest
  readonly before: Snapshot
  readonly row: HeadRow
  readonly drafts: readonly Draft[]
}

async function append(
  { fleet, clock }: Writer,
  client: pg.ClientBase,
  { request, before, row, drafts }: Appending,
): Promise<Committed> {
  const { intent } = request
  const events = await numberEvents(client, { fleet, drafts, position: Number(row.position) })
  const body: RevisionBody = {
    v: 1,
    fleet,
    lineage: before.head.lineage,
    epoch: before.head.epoch,
    revision: before.head.revision + 1,
    at: new Date(clock.nowMs()).toISOString(),
    actor: intent.actor.id,
    role: intent.actor.role,
    source: intent.source,
    reason: intent.reason,
    requestId: intent.requestId,
    changeRef: intent.changeRef,
    address: intent.address,
    events,
  }
  const { lineage, epoch, revision } = body
  const link = { previousHash: before.head.hash, epoch, revision, body: canonicalJson(body) }
  const message = { lineage, ...link, hash: chainHash(link, sha256) }
  await client.query('SELECT append_revision($1, $2, $3)', [
    fleet,
    Buffer.from(message.body, 'utf8'),
    Buffer.from(message.hash, 'hex'),
  ])
  return { message, body, before, after: project(before, message, body) }
}

/**
 * Positions, and versions that go on across delete and re-create: the drafts' own versions know
 * only
 * what exists now, so the last version of each resource is asked of the log.
 */
async function numberEvents(
  client: pg.ClientBase,
  { fleet, drafts, position }: { fleet: string; drafts: readonly Draft[]; position: number },
): Promise<readonly Event[]> {
  const last = new Map<string, number>()
  for (const { resource, id } of drafts) {
    const { rows } = await client.query<{ version: string | null }>(
      'SELECT max(version) AS version FROM event WHERE fleet = $1 AND resource = $2 AND id = $3',
      [fleet, resource, id],
    )
    last.set(`${resource}/${id}`, Number(rows[0]?.version ?? 0))
  }
  return drafts.map((draft, index) => {
    const key = `${draft.resource}/${draft.id}`
    const version = (last.get(key) ?? 0) + 1
    last.set(key, version)
    return { ...draft, version, position: position + index + 1, schema: EVENT_SCHEMA }
  })
}

interface AnswerRow {
  readonly request_hash: string
  readonly revision: string
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

async function findAnswer(
  { fleet }: Writer,
  client: pg.ClientBase,
  { idempotency }: WriteRequest,
): Promise<WriteOutcome | undefined> {
  if (!idempotency) return undefined
  const { rows } = await client.query<AnswerRow>(
    `SELECT request_hash, revision, status, headers, body FROM idempotency
     WHERE fleet = $1 AND key = $2`,
    [fleet, idempotency.key],
  )
  const [row] = rows
  if (!row) return undefined
  const same = sameRequest(row.request_hash, idempotency.requestHash)
  if (!same.ok) return { kind: 'refused', refusal: same.error }
  const answer = { status: row.status, headers: row.headers, body: row.body }
  return { kind: 'replayed', answer, revision: Number(row.revision) }
}

function sameRequest(stored: string, given: string): Result<true, Refusal> {
  if (stored === given) return ok(true)
  return err(refuse('idempotency_mismatch', 'this Idempotency-Key was used with another request'))
}

async function remember(
  { fleet, clock }: Writer,
  client: pg.ClientBase,
  { request, answer, revision }: { request: WriteRequest; answer: StoredAnswer; revision: number },
): Promise<void> {
  if (!request.idempotency) return
  const { key, requestHash } = request.idempotency
  await client.query(
    `INSERT INTO idempotency (fleet, key, request_hash, revision, status, headers, body, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      fleet,
      key,
      requestHash,
      revision,
      answer.status,
      JSON.stringify(answer.headers),
      answer.body,
      new Date(clock.nowMs()),
    ],
  )
}
