import { type Budget, type RequestRecord, type Tokens } from '@signalbox/model'
import type pg from 'pg'
import { withClient } from './database.ts'
import { type Source } from './read.ts'

/*
 * Records of requests: observed, beside the log. They have connections of their own, so that
 * neither a burst of them nor a large question holds up a command.
 */

/** What requests can be grouped by. */
export const USAGE_DIMENSIONS = ['key', 'route', 'backend', 'model'] as const
export type UsageDimension = (typeof USAGE_DIMENSIONS)[number]

/** A record as it is kept; `backend` is the last attempt's. */
export type KeptRequest = RequestRecord & { readonly backend: string | null }

/** Where a page of requests ends. */
export interface RequestPlace {
  readonly atMs: number
  readonly proxy: string
  readonly id: string
}

export interface RequestFilter {
  readonly limit: number
  /** Strictly older than this one. */
  readonly before?: RequestPlace
  readonly requestId?: string
  readonly route?: string
  readonly key?: string
  readonly backend?: string
  /** Both ends included: 500 to 599 is all of them. */
  readonly status?: { readonly from: number; readonly to: number }
  readonly since?: Date
}

export interface UsageQuery {
  readonly groupBy: readonly UsageDimension[]
  /** At or after, and before. */
  readonly from: Date
  readonly to: Date
  /** The groups with the most requests. */
  readonly limit: number
}

export interface UsageGroup {
  readonly by: Readonly<Partial<Record<UsageDimension, string | null>>>
  readonly requests: number
  readonly errors: number
  /** Requests of which tokens are a guess: their backend did not count. */
  readonly estimated: number
  /** Of those requests whose tokens are known; null: of none. */
  readonly tokens: Tokens
  /** US dollars; null: of none of them is it known. */
  readonly costUsd: number | null
  /** Of it, what somebody guessed. */
  readonly costEstimatedUsd: number
  readonly meanMs: number
  readonly p95Ms: number
}

/** Rejects with DatabaseUnavailable; everything else is a value. */
export interface RequestStore {
  /** Answers how many were not there yet. */
  record(records: readonly RequestRecord[]): Promise<number>
  /** Newest first. */
  list(filter: RequestFilter): Promise<readonly KeptRequest[]>
  usage(query: UsageQuery): Promise<readonly UsageGroup[]>
  /** US dollars that keys have spent since a day (of 1 January 1970); who is absent spent none. */
  spent(
    since: readonly { readonly key: string; readonly day: number }[],
  ): Promise<ReadonlyMap<string, number>>
  /** Of the keys that are enabled and have one, by key. */
  budgets(): Promise<ReadonlyMap<string, Budget>>
  /** Drops the days (UTC) before this time's, of all fleets. Answers how many. */
  forgetBefore(time: Date): Promise<number>
}

const DAY_MS = 86_400_000
const PARTITION = /^requests_(\d{4})(\d{2})(\d{2})$/
const NO_PARTITION = '23514'
/** Any number that nobody else locks on. */
const LOCK_ID = 72_707_370

const RECORD = `WITH fresh AS (INSERT INTO requests (fleet, proxy, id, at, request_id, revision,
    operation, key, model, route, backend, status, code, duration_ms, first_byte_ms, bytes,
    prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, attempts,
    tokens_estimated, cost_usd)
  SELECT $1, * FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::bigint[],
    $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::integer[], $13::text[],
    $14::float8[], $15::float8[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[],
    $20::bigint[], $21::json[], $22::boolean[], $23::float8[])
  ON CONFLICT DO NOTHING RETURNING key, at, cost_usd),
  spent AS (INSERT INTO spending (fleet, key, day, usd)
    SELECT $1, key, (at AT TIME ZONE 'UTC')::date AS day, sum(cost_usd) FROM fresh
    WHERE key IS NOT NULL AND cost_usd > 0 GROUP BY key, day ORDER BY key, day
    ON CONFLICT (fleet, key, day) DO UPDATE SET usd = spending.usd + excluded.usd)
  SELECT count(*) AS count FROM fresh`
const BUDGETS = `SELECT id, spec -> 'budget' AS budget FROM resource
  WHERE fleet = $1 AND resource = 'key' AND (spec -> 'budget') IS NOT NULL
    AND (spec ->> 'enabled')::boolean`
const SPENT = `SELECT wanted.key, sum(usd) AS usd
  FROM unnest($2::text[], $3::date[]) AS wanted (key, day)
  JOIN spending ON fleet = $1 AND spending.key = wanted.key AND spending.day >= wanted.day
  GROUP BY wanted.key`
const LIST = `SELECT * FROM requests WHERE fleet = $1
    AND ($2::timestamptz IS NULL OR (at, proxy, id) < ($2, $3, $4))
    AND ($5::text IS NULL OR request_id = $5) AND ($6::text IS NULL OR route = $6)
    AND ($7::text IS NULL OR key = $7) AND ($8::text IS NULL OR backend = $8)
    AND status BETWEEN $9 AND $10 AND ($11::timestamptz IS NULL OR at >= $11)
  ORDER BY at DESC, proxy DESC, id DESC LIMIT $12`
const PARTITIONS = `SELECT relid::regclass::text AS name FROM pg_partition_tree('requests')
  WHERE isleaf AND level = 1`

/** `pool` is this one's alone. */
export function requestStore({ pool, fleet }: Source): RequestStore {
  // Days whose table is known to be there. Forgotten when one turns out to be gone.
  const days = new Set<number>()
  return {
    record: async (records) => {
      if (records.length === 0) return 0
      return withClient(pool, async (client) => {
        await makeDays(client, records, days)
        try {
          return await insert(client, fleet, records)
        } catch (error) {
          if ((error as { code?: unknown }).code !== NO_PARTITION) throw error
          days.clear()
          await makeDays(client, records, days)
          return insert(client, fleet, records)
        }
      })
    },
    list: (filter) => withClient(pool, (client) => list(client, fleet, filter)),
    usage: (query) => withClient(pool, (client) => usage(client, fleet, query)),
    budgets: () => withClient(pool, (client) => budgets(client, fleet)),
    spent: (since) => withClient(pool, (client) => spent(client, fleet, since)),
    forgetBefore: (time) =>
      withClient(pool, async (client) => {
        days.clear()
        return forgetBefore(client, time)
      }),
  }
}

const COLUMNS: readonly ((one: RequestRecord) => unknown)[] = [
  (one) => one.proxy,
  (one) => one.id,
  (one) => new Date(one.atMs),
  (one) => one.requestId,
  (one) => one.revision,
  (one) => one.operation,
  (one) => one.key,
  (one) => one.model,
  (one) => one.route,
  (one) => one.attempts.at(-1)?.backend ?? null,
  (one) => one.status,
  (one) => one.code,
  (one) => one.durationMs,
  (one) => one.firstByteMs,
  (one) => one.bytes,
  (one) => one.tokens.prompt,
  (one) => one.tokens.completion,
  (one) => one.tokens.cached,
  (one) => one.tokens.reasoning,
  (one) => JSON.stringify(one.attempts),
  (one) => one.tokens.estimated === true,
  (one) => one.costUsd,
]

async function insert(
  client: pg.PoolClient,
  fleet: string,
  records: readonly RequestRecord[],
): Promise<number> {
  const { rows } = await client.query<{ count: string }>(RECORD, [
    fleet,
    ...COLUMNS.map((column) => records.map(column)),
  ])
  return Number(rows[0]?.count ?? 0)
}

async function budgets(client: pg.PoolClient, fleet: string): Promise<ReadonlyMap<string, Budget>> {
  const { rows } = await client.query<{ id: string; budget: Budget }>(BUDGETS, [fleet])
  return new Map(rows.map(({ id, budget }) => [id, budget]))
}

async function spent(
  client: pg.PoolClient,
  fleet: string,
  since: readonly { readonly key: string; readonly day: number }[],
): Promise<ReadonlyMap<string, number>> {
  const keys = since.map(({ key }) => key)
  const days = since.map(({ day }) => new Date(day * DAY_MS).toISOString().slice(0, 10))
  const { rows } = await client.query<{ key: string; usd: number }>(SPENT, [fleet, keys, days])
  return new Map(rows.map(({ key, usd }) => [key, usd]))
}

/** One at a time: two that make the same day at once would trip over each other. */
async function makeDays(
  client: pg.PoolClient,
  records: readonly RequestRecord[],
  known: Set<number>,
): Promise<void> {
  const needed = new Set(records.map(({ atMs }) => Math.floor(atMs / DAY_MS)))
  for (const day of needed) {
    if (known.has(day)) continue
    const [from, to] = [day, day + 1].map((one) => new Date(one * DAY_MS).toISOString())
    const name = `requests_${(from ?? '').slice(0, 10).replaceAll('-', '')}`
    await locked(client, () =>
      client.query(`CREATE TABLE IF NOT EXISTS ${name} PARTITION OF requests
        FOR VALUES FROM ('${from}') TO ('${to}')`),
    )
    known.add(day)
  }
}

async function forgetBefore(client: pg.PoolClient, time: Date): Promise<number> {
  const first = Math.floor(time.getTime() / DAY_MS)
  return locked(client, async () => {
    const { rows } = await client.query<{ name: string }>(PARTITIONS)
    const old = rows.filter(({ name }) => (dayOf(name) ?? first) < first)
    for (const { name } of old) await client.query(`DROP TABLE ${name}`)
    return old.length
  })
}

function dayOf(partition: string): number | undefined {
  const [, year, month, day] = PARTITION.exec(partition) ?? []
  return year === undefined ? undefined : Date.parse(`${year}-${month}-${day}T00:00:00Z`) / DAY_MS
}

async function locked<Value>(client: pg.PoolClient, work: () => Promise<Value>): Promise<Value> {
  await client.query('BEGIN')
  try {
    await client.query('SELECT pg_advisory_xact_lock($1)', [LOCK_ID])
    const value = await work()
    await client.query('COMMIT')
    return value
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}

interface RequestRow {
  readonly proxy: string
  readonly id: string
  readonly at: Date
  readonly request_id: string
  readonly revision: string | null
  readonly operation: string
  readonly key: string | null
  readonly model: string | null
  readonly route: string | null
  readonly backend: string | null
  readonly status: number
  readonly code: string | null
  readonly duration_ms: number
  readonly first_byte_ms: number | null
  readonly bytes: string
  readonly prompt_tokens: string | null
  readonly completion_tokens: string | null
  readonly cached_tokens: string | null
  readonly reasoning_tokens: string | null
  readonly tokens_estimated: boolean
  readonly attempts: RequestRecord['attempts']
  readonly cost_usd: number | null
}

const STATUS_ANY = { from: 0, to: 999 }

async function list(
  client: pg.PoolClient,
  fleet: string,
  { limit, before, requestId, route, key, backend, status = STATUS_ANY, since }: RequestFilter,
): Promise<readonly KeptRequest[]> {
  const { rows } = await client.query<RequestRow>(LIST, [
    fleet,
    before ? new Date(before.atMs) : null,
    before?.proxy,
    before?.id,
    requestId,
    route,
    key,
    backend,
    status.from,
    status.to,
    since,
    limit,
  ])
  return rows.map(requestOf)
}

function requestOf(row: RequestRow): KeptRequest {
  const { proxy, id, operation, key, model, route, backend, status, code, attempts } = row
  return {
    ...{ id, proxy, operation, key, model, route, backend, status, code, attempts },
    requestId: row.request_id,
    atMs: row.at.getTime(),
    revision: numberOf(row.revision),
    durationMs: row.duration_ms,
    firstByteMs: row.first_byte_ms,
    bytes: Number(row.bytes),
    tokens: { ...tokensOf(row), ...(row.tokens_estimated ? { estimated: true } : {}) },
    costUsd: row.cost_usd,
  }
}

function tokensOf(
  row: Pick<
    RequestRow,
    'prompt_tokens' | 'completion_tokens' | 'cached_tokens' | 'reasoning_tokens'
  >,
): Tokens {
  return {
    prompt: numberOf(row.prompt_tokens),
    completion: numberOf(row.completion_tokens),
    cached: numberOf(row.cached_tokens),
    reasoning: numberOf(row.reasoning_tokens),
  }
}

function numberOf(text: string | null): number | null {
  return text === null ? null : Number(text)
}

type UsageRow = Readonly<Partial<Record<UsageDimension, string | null>>> & {
  readonly requests: string
  readonly errors: string
  readonly estimated: string
  readonly cost_usd: number | null
  readonly cost_estimated_usd: number | null
  readonly mean_ms: number
  readonly p95_ms: number
} & Parameters<typeof tokensOf>[0]

async function usage(
  client: pg.PoolClient,
  fleet: string,
  { groupBy, from, to, limit }: UsageQuery,
): Promise<readonly UsageGroup[]> {
  // Names from a closed set, never a caller's text.
  const columns = USAGE_DIMENSIONS.filter((one) => groupBy.includes(one))
  const list = columns.map((column) => `${column}, `).join('')
  const sums = ['prompt', 'completion', 'cached', 'reasoning']
    .map((one) => `sum(${one}_tokens) AS ${one}_tokens`)
    .join(', ')
  const sql = `SELECT ${list} count(*) AS requests,
      count(*) FILTER (WHERE status >= 400 OR code IS NOT NULL) AS errors,
      count(*) FILTER (WHERE tokens_estimated) AS estimated, ${sums},
      sum(cost_usd) AS cost_usd,
      sum(cost_usd) FILTER (WHERE tokens_estimated) AS cost_estimated_usd,
      avg(duration_ms) AS mean_ms,
      percentile_disc(0.95) WITHIN GROUP (ORDER BY duration_ms) AS p95_ms
    FROM requests WHERE fleet = $1 AND at >= $2 AND at < $3
    GROUP BY ${list} () ORDER BY count(*) DESC, ${list} 1 LIMIT $4`
  const { rows } = await client.query<UsageRow>(sql, [fleet, from, to, limit])
  return rows
    .filter(({ requests }) => requests !== '0')
    .map((row) => ({
      by: Object.fromEntries(columns.map((column) => [column, row[column] ?? null])),
      requests: Number(row.requests),
      errors: Number(row.errors),
      estimated: Number(row.estimated),
      tokens: tokensOf(row),
      costUsd: row.cost_usd,
      costEstimatedUsd: row.cost_estimated_usd ?? 0,
      meanMs: row.mean_ms,
      p95Ms: row.p95_ms,
    }))
}
