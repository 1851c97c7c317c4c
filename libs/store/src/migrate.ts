import { createHash, randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ConfigError } from '@signalbox/host'
import pg from 'pg'
import { CONNECT_TIMEOUT_MS, unavailable } from './database.ts'

/** The id that Prisma Migrate locks on, so that its runs and ours exclude each other. */
const PRISMA_LOCK_ID = 72_707_369
/** Another instance that migrates right now is waited for; a statement has the time it needs. */
const LOCK_TIMEOUT_MS = 30_000
const FOLDER = 'prisma/migrations'
/** As Prisma Migrate makes it. */
const BOOKKEEPING = `CREATE TABLE IF NOT EXISTS _prisma_migrations (
  id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz,
  migration_name varchar(255) NOT NULL, logs text, rolled_back_at timestamptz,
  started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0)`

interface Migration {
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

/**
 * prisma/migrations, found upwards from `from` (an import.meta.url): from a source file as well as
 * from a bundle. Throws ConfigError where there is none.
 */
export function findMigrations(from: string): string {
  let folder = dirname(fileURLToPath(from))
  while (!existsSync(join(folder, FOLDER))) {
    const above = dirname(folder)
    if (above === folder) throw new ConfigError(`${FOLDER} is missing beside the program`)
    folder = above
  }
  return join(folder, FOLDER)
}

/**
 * Applies the migrations that the database lacks, in order, each in its own transaction, in
 * Prisma's own bookkeeping. Throws ConfigError where an applied migration was edited, is unknown
 * here or was left half done, and DatabaseUnavailable where Postgres does not answer. Answers the
 * names that were applied now.
 */
export async function migrate(url: string, folder: string): Promise<readonly string[]> {
  const migrations = readMigrations(folder)
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    application_name: 'signalbox-migrate',
  })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('SELECT pg_advisory_lock($1)', [PRISMA_LOCK_ID])
    await client.query(BOOKKEEPING)
    const missing = lacking(migrations, await readApplied(client))
    for (const migration of missing) await applyOne(client, migration)
    return missing.map((migration) => migration.name)
  } catch (error) {
    throw unavailable(error)
  } finally {
    // Which gives the lock back.
    await client.end().catch(() => {})
  }
}

function readMigrations(folder: string): readonly Migration[] {
  const names = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
  return names.sort().map((name) => {
    const bytes = readFileSync(join(folder, name, 'migration.sql'))
    const checksum = createHash('sha256').update(bytes).digest('hex')
    return { name, sql: bytes.toString('utf8'), checksum }
  })
}

interface AppliedRow {
  readonly migration_name: string
  readonly checksum: string
  readonly finished_at: Date | null
}

async function readApplied(client: pg.Client): Promise<ReadonlyMap<string, AppliedRow>> {
  const { rows } = await client.query<AppliedRow>(
    `SELECT migration_name, checksum, finished_at FROM _prisma_migrations
     WHERE rolled_back_at IS NULL ORDER BY started_at`,
  )
  return new Map(rows.map((row) => [row.migration_name, row]))
}

/** The migrations to apply, once all that were applied are as they are here. */
function lacking(
  migrations: readonly Migration[],
  applied: ReadonlyMap<string, AppliedRow>,
): readonly Migration[] {
  const known = new Map(migrations.map((migration) => [migration.name, migration]))
  for (const { migration_name: name, checksum, finished_at: finishedAt } of applied.values()) {
    const problem = problemOf(known.get(name), { checksum, finishedAt })
    if (problem) throw new ConfigError(`the database has the migration ${name}, ${problem}`)
  }
  return migrations.filter((migration) => !applied.has(migration.name))
}

function problemOf(
  migration: Migration | undefined,
  { checksum, finishedAt }: { checksum: string; finishedAt: Date | null },
): string | undefined {
  if (!migration) return 'which this version lacks; use a newer version'
  if (!finishedAt) return 'which was left half done; see "prisma migrate resolve"'
  if (migration.checksum !== checksum) {
    return 'which was edited after it was applied; restore it and add a new one'
  }
  return undefined
}

async function applyOne(client: pg.Client, { name, sql, checksum }: Migration): Promise<void> {
  await client.query('BEGIN')
  try {
    await client.query(sql)
    await client.query(
      `INSERT INTO _prisma_migrations
         (id, checksum, migration_name, finished_at, applied_steps_count)
       VALUES ($1, $2, $3, clock_timestamp(), 1)`,
      [randomUUID(), checksum, name],
    )
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}
