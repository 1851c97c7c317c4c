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
  type Refusal,
  type RevisionBody,
  type RevisionMessage,
  type Snapshot,
} from '@signalbox/model'
import { type Clock, sha256 } from '@signalbox/host'
import type pg from 'pg'
import { unavailable, withClient } from './database.ts'
import { findAnswer, rememberAnswer } from './idempotency.ts'
import { decideAsking } from './asked.ts'
import { keepDataKeys } from './data-keys.ts'
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

/** Where the log ends, as far as this transaction has written it, and what is held of the state. */
interface At {
  readonly row: HeadRow
  readonly held: Held
}

interface Done {
  readonly outcome: WriteOutcome
  /** Where it ends then; null where there is nothing to commit. */
  readonly after: At | null
}

/** What became of a write: settled one by one, committed together. */
export type Settled =
  | { readonly ok: true; readonly outcome: WriteOutcome }
  | { readonly ok: false; readonly error: unknown }

/**
 * Commands one after another, each as if it were alone, and one commit for all: none is answered
 * before. A dry run goes alone, since it is rolled back. Whatever throws undoes all of them.
 */
async function writeTogether(
  writer: Writer,
  requests: readonly WriteRequest[],
  progress = { committing: false },
): Promise<readonly WriteOutcome[]> {
  return withClient(writer.pool, async (client) => {
    const { fleet, cache, heldMax } = writer
    const row = await lockHead(client, fleet)
    const start: At = { row, held: await catchUp(client, { fleet, cache, heldMax, row }) }
    let at = start
    let dirty = false
    const outcomes: WriteOutcome[] = []
    for (const request of requests) {
      const { outcome, after } = await decideUnderLock(writer, client, { request, at })
      outcomes.push(outcome)
      at = after ?? at
      dirty ||= after !== null
    }
    progress.committing = dirty
    if (dirty) await commit(writer, client)
    else await client.query('ROLLBACK')
    writer.cache = at.held
    return outcomes
  })
}

/**
 * Writes them together; where that fails before its commit by what one of them did, each is written
 * alone: a decision is pure, and runs again.
 */
export async function writeSettled(
  writer: Writer,
  requests: readonly WriteRequest[],
): Promise<readonly Settled[]> {
  const progress = { committing: false }
  try {
    const outcomes = await writeTogether(writer, requests, progress)
    return outcomes.map((outcome) => ({ ok: true, outcome }))
  } catch (error) {
    const failed = { ok: false, error } as const
    // What may have been committed is not written again.
    const final = progress.committing || error instanceof DatabaseUnavailable
    if (requests.length === 1 || final) return requests.map(() => failed)
  }
  const settled: Settled[] = []
  for (const request of requests) {
    const last = settled.at(-1)
    const away = last && !last.ok && last.error instanceof DatabaseUnavailable
    settled.push(...(away ? [last] : await writeSettled(writer, [request])))
  }
  return settled
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
  { request, at }: { readonly request: WriteRequest; readonly at: At },
): Promise<Done> {
  const { fleet } = writer
  const { held, row } = at

  // Looked up under the lock, so that of two twins that race the second one finds the first's.
  const idempotency = request.dryRun ? null : request.idempotency
  const earlier = idempotency && (await findAnswer(client, fleet, idempotency))
  if (earlier === 'mismatch') return { after: null, outcome: MISMATCH }
  if (earlier) return { after: null, outcome: { kind: 'replayed', ...earlier } }
  const { result, seen } = await decideAsking(client, { fleet, held, request })
  if (!result.ok) return { after: null, outcome: { kind: 'refused', refusal: result.error } }

  const appending = { request, before: seen, row, drafts: result.value }
  const appended = result.value.length === 0 ? null : await append(writer, client, appending)
  if (appended && 'refusal' in appended) {
    return { after: null, outcome: { kind: 'refused', refusal: appended.refusal } }
  }
  const answer = request.present(appended, seen)
  const revision = appended?.message.revision ?? seen.head.revision
  if (request.dryRun) return { after: null, outcome: { kind: 'unchanged', answer, revision } }
  if (idempotency) {
    const remembered = { ...idempotency, fleet, answer, revision }
    await rememberAnswer(client, { ...remembered, at: new Date(writer.clock.nowMs()) })
  }
  const kind = appended ? 'committed' : 'unchanged'
  return {
    outcome: { kind, answer, revision },
    after: appended ? afterOf(writer, at, appended) : at,
  }
}

/** Where the log ends after a revision that was appended to it in this transaction. */
function afterOf({ heldMax }: Writer, { row, held }: At, { message, body, after }: Committed): At {
  const next = {
    ...row,
    revision: String(message.revision),
    position: String(Number(row.position) + body.events.length),
    hash: Buffer.from(message.hash, 'hex'),
  }
  return { row: next, held: heldOf(after, held.large, heldMax) }
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
): Promise<Committed | { readonly refusal: Refusal }> {
  const { head } = before
  const events = await numberEvents(client, { fleet, drafts, position: Number(row.position) })
  const { dataKeys = NO_KEYS } = request
  const refusal = await keepDataKeys(client, fleet, { before, events, dataKeys })
  if (refusal) return { refusal }
  const { message, body } = await appendAfter(client, {
    ...{ fleet, head, events, intent: request.intent },
    at: new Date(clock.nowMs()),
  })
  return { message, body, before, after: project(before, message, body) }
}

function undoneBy({ undoesAfter: after }: Intent, through: number): Pick<RevisionBody, 'undoes'> {
  return after === undefined ? {} : { undoes: { after, through } }
}

const NO_KEYS: ReadonlyMap<string, string> = new Map()
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
