import type pg from 'pg'
import { withClient } from './database.ts'
import { type Source } from './read.ts'
import {
  type KeptAnswer,
  type KeptAnswersPage,
  type RequestKey,
  type StoredAnswer,
} from './store.ts'

/** How long an answer is given again; afterwards the key is free. */
const KEPT_FOR = '7 days'
/** Each key that is remembered removes at most so many old ones: the table stays as it is small. */
const REMOVED_AT_ONCE_MAX = 100

const FIND = `SELECT request_hash, revision, status, headers, body FROM idempotency
  WHERE fleet = $1 AND key = $2`
const REMEMBER = `INSERT INTO idempotency
    (fleet, key, request_hash, revision, status, headers, body, created_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
const FORGET = `DELETE FROM idempotency WHERE ctid = ANY (ARRAY (
    SELECT ctid FROM idempotency
    WHERE fleet = $1 AND created_at < $2::timestamptz - interval '${KEPT_FOR}'
    ORDER BY created_at LIMIT ${REMOVED_AT_ONCE_MAX}))`

const KEPT = `SELECT key, body FROM idempotency
  WHERE fleet = $1 AND starts_with(body, $2) AND key COLLATE "C" > $3
  ORDER BY key COLLATE "C" LIMIT $4`
const REPLACE = 'UPDATE idempotency SET body = $4 WHERE fleet = $1 AND key = $2 AND body = $3'

interface AnswerRow {
  readonly request_hash: string
  readonly revision: string
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

interface Found {
  readonly answer: StoredAnswer
  readonly revision: number
}

/** The answer that was given under this key; `mismatch` where it was given to another request. */
export async function findAnswer(
  client: pg.ClientBase,
  fleet: string,
  { key, requestHash, formerHashes = [] }: RequestKey,
): Promise<Found | 'mismatch' | null> {
  const { rows } = await client.query<AnswerRow>(FIND, [fleet, key])
  const [row] = rows
  if (!row) return null
  if (![requestHash, ...formerHashes].includes(row.request_hash)) return 'mismatch'
  const answer = { status: row.status, headers: row.headers, body: row.body }
  return { answer, revision: Number(row.revision) }
}

interface Remembered extends Found {
  readonly fleet: string
  readonly key: string
  readonly requestHash: string
  readonly at: Date
}

/** Keeps an answer, in the transaction whose effect it tells of, and drops some that are old. */
export async function rememberAnswer(
  client: pg.ClientBase,
  { fleet, key, requestHash, answer, revision, at }: Remembered,
): Promise<void> {
  const { status, headers, body } = answer
  const row = [fleet, key, requestHash, revision, status, JSON.stringify(headers), body, at]
  await client.query(FORGET, [fleet, at])
  await client.query(REMEMBER, row)
}

export async function readKeptAnswers(
  { pool, fleet }: Source,
  prefix: string,
  { after, limit }: KeptAnswersPage,
): Promise<readonly KeptAnswer[]> {
  const { rows } = await withClient(pool, (client) =>
    client.query<KeptAnswer>(KEPT, [fleet, prefix, after, limit]),
  )
  return rows
}

export async function replaceAnswer(
  { pool, fleet }: Source,
  { key, body: before }: KeptAnswer,
  body: string,
): Promise<void> {
  await withClient(pool, (client) => client.query(REPLACE, [fleet, key, before, body]))
}
