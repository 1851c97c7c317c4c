import { createHash, randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ConfigError } from '@signalbox/host'
import pg from 'pg'
import { CONNECT_TIMEOUT_MS, unavailable } from './database.ts'

/** The id that Prisma Migrate locks on, so that its runs and ours exclude each other. */
const PRISMA_LOCK_ID = 72_707_369
const BOOKKEEPING = `CREATE TABLE IF NOT EXISTS _prisma_migrations (
  id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz,
  migration_name varchar(255) NOT NULL, logs text, rolled_back_at timestamptz,
  started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count integer NOT NULL DEFAULT 0)`

interface Migration {
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

/** prisma/migrations, found upwards from a source file or a bundle. */
export function findMigrations(from: string): string {
  let folder = dirname(fileURLToPath(from))
  while (!existsSync(join(folder, 'prisma/migrations'))) {
    const above = dirname(folder)
    if (above === folder) throw new ConfigError('prisma/migrations is missing beside the program')
    folder = above
  }
  return join(folder, 'prisma/migrations')
}

/**
 * Applies the migrations that the database lacks, in order, each in its own transaction, in
 * Prisma's
 * own bookkeeping. Throws ConfigError where an applied migration was edited or is unknown here, and
 * DatabaseUnavailable where Postgres does not answer. Answers the names that were applied now.
 */
export async function migrate(url: string, folder: string): Promise<readonly string[]> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('SELECT pg_advisory_lock($1)', [PRISMA_LOCK_ID])
    await client.query(BOOKKEEPING)
    return await applyMissing(client, readMigrations(folder))
  } catch (error) {
    throw unavailable(error)
  } finally {
    await client.end().catch(() => {})
  }
}

function readMigrations(folder: string): readonly Migration[] {
  const names = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
  return names.sort().map((name) => {
    const sql = readFileSync(join(folder, name, 'migration.sql'), 'utf8')
    return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
  })
}

async function applyMissing(
  client: pg.Client,
  migrations: readonly Migration[],
): Promise<readonly string[]> {
  const { rows } = await client.query<{ migration_name: string; checksum: string }>(
    `SELECT migration_name, checksum FROM _prisma_migrations
     WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL`,
  )
  const applied = new Map(rows.map((row) => [row.migration_name, row.checksum]))
  const known = new Set(migrations.map((migration) => migration.name))
  for (const name of applied.keys()) {
    if (known.has(name)) continue
    throw new ConfigError(
      `the database has the migration ${name}, which this version lacks; upgrade it`,
    )
  }
  const missing = migrations.filter((migration) => isMissing(migration, applied))
  for (const migration of missing) await applyOne(client, migration)
  return missing.map((migration) => migration.name)
}

function isMissing({ name, checksum }: Migration, applied: ReadonlyMap<string, string>): boolean {
  const before = applied.get(name)
  if (before !== undefined && before !== checksum) {
    throw new ConfigError(
      `the migration ${name} was edited after it was applied; restore it and add a new one`,
    )
  }
  return before === undefined
}

async function applyOne(client: pg.Client, { name, sql, checksum }: Migration): Promise<void> {
  await client.query('BEGIN')
  try {
    await client.query(sql)
    await client.query(
      `INSERT INTO _prisma_migrations 
         (id, checksum, migration_name, finished_at, applied_steps_count)
       VALUES ($1, $2, $3, now(), 1)`,
      [randomUUID(), checksum, name],
    )
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}
