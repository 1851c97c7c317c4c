import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConfigError } from '@signalbox/host'
import { type FreshDatabase, freshDatabase } from '@signalbox/testing'
import { findMigrations, migrate } from './migrate.ts'
import { DatabaseUnavailable } from './store.ts'
import { runSql } from './test-harness.ts'

const shipped = findMigrations(import.meta.url)
let database: FreshDatabase
let folder: string

beforeEach(async () => {
  database = await freshDatabase()
  folder = mkdtempSync(join(tmpdir(), 'signalbox-migrations-'))
  cpSync(shipped, folder, { recursive: true })
})
afterEach(async () => {
  rmSync(folder, { recursive: true })
  await database.drop()
})

function add(name: string, sql: string): void {
  mkdirSync(join(folder, name), { recursive: true })
  writeFileSync(join(folder, name, 'migration.sql'), sql)
}

describe('migrate', () => {
  it('applies what is missing, once, in order', async () => {
    add('20990101000000_one', 'CREATE TABLE one (id int)')
    add('20990102000000_two', 'ALTER TABLE one ADD COLUMN two int')
    expect(await migrate(database.url, folder)).toEqual([
      '20990101000000_one',
      '20990102000000_two',
    ])
    expect(await migrate(database.url, folder)).toEqual([])
  })

  it('refuses an applied migration that was edited, and names it', async () => {
    add('20261124000000_log', '-- edited')
    await expect(migrate(database.url, folder)).rejects.toThrow(
      /20261124000000_log, which was edited/,
    )
  })

  it('refuses a database that is ahead of this version', async () => {
    add('20990101000000_one', 'CREATE TABLE one (id int)')
    await migrate(database.url, folder)
    await expect(migrate(database.url, shipped)).rejects.toThrow(
      /20990101000000_one, which this version lacks/,
    )
  })

  it('leaves nothing of a migration that fails', async () => {
    add('20990101000000_bad', 'CREATE TABLE half (id int); SELECT nonsense')
    await expect(migrate(database.url, folder)).rejects.toThrow(/nonsense/)
    add('20990101000000_bad', 'CREATE TABLE half (id int)')
    expect(await migrate(database.url, folder)).toEqual(['20990101000000_bad'])
  })

  it('lets two racing starts both succeed', async () => {
    add('20990101000000_one', 'CREATE TABLE one (id int)')
    const applied = await Promise.all([
      migrate(database.url, folder),
      migrate(database.url, folder),
    ])
    expect(applied.flat()).toEqual(['20990101000000_one'])
  })

  it('refuses a database in which another tool left one half done', async () => {
    add('20990101000000_one', 'CREATE TABLE one (id int)')
    await runSql(
      database.url,
      `INSERT INTO _prisma_migrations (id, checksum, migration_name)
       VALUES ('x', 'x', '20990101000000_one')`,
    )
    await expect(migrate(database.url, folder)).rejects.toThrow(/_one, which was left half done/)
  })

  it('says that the database does not answer', async () => {
    const url = new URL(database.url)
    url.port = '1'
    await expect(migrate(url.href, folder)).rejects.toBeInstanceOf(DatabaseUnavailable)
  })
})

describe('findMigrations', () => {
  it('finds them from a bundle below the repository, and says where there are none', () => {
    const bundle = new URL('../../../dist/admin-api/main.js', import.meta.url)
    expect(findMigrations(bundle.href)).toBe(shipped)
    expect(() => findMigrations('file:///tmp/elsewhere/main.js')).toThrow(ConfigError)
  })
})
