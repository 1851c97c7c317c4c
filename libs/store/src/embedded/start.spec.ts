import { mkdtempSync, chmodSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog, systemClock } from '@signalbox/host'
import { eventually } from '@signalbox/testing'
import pg from 'pg'
import { findMigrations, migrate } from '../migrate.ts'
import { openStore } from '../open-store.ts'
import { DatabaseUnavailable } from '../store.ts'
import { put } from '../test-harness.ts'
import { type EmbeddedPostgres, startEmbeddedPostgres } from './start.ts'

let folder: string
let running: EmbeddedPostgres | undefined
const start = async () => {
  const dataDir = join(folder, 'postgres')
  running = await startEmbeddedPostgres({ dataDir, password: 'p@ss:word', ephemeral: true })
  return running
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-embedded-'))
  chmodSync(folder, 0o711)
})
afterEach(async () => {
  await running?.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function ask(url: string, sql: string): Promise<unknown> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query(sql)).rows[0]
  } finally {
    await client.end()
  }
}

describe('the embedded Postgres', () => {
  it('answers with its password, refuses another, and finds its data again', async () => {
    const first = await start()
    await ask(first.url, 'CREATE TABLE kept (id int)')
    const wrong = new URL(first.url)
    wrong.password = 'wrong'
    await expect(ask(wrong.href, 'SELECT 1')).rejects.toThrow(/password authentication failed/)
    await first.stop()
    const second = await start()
    expect(await ask(second.url, `SELECT to_regclass('kept') IS NOT NULL AS kept`)).toEqual({
      kept: true,
    })
  })

  it('takes over from an orphan that still runs on the data', async () => {
    const orphan = await start()
    const next = await start()
    await orphan.ended
    expect(next.pid).not.toBe(orphan.pid)
    expect(await ask(next.url, 'SELECT 1 AS one')).toEqual({ one: 1 })
  })

  it('starts after kill -9, with a stale pid file that names somebody else', async () => {
    const first = await start()
    process.kill(first.pid, 'SIGKILL')
    await first.ended
    writeFileSync(
      join(folder, 'postgres/postmaster.pid'),
      `${process.pid}\n${join(folder, 'postgres')}\n`,
    )
    const second = await start()
    expect(await ask(second.url, 'SELECT 1 AS one')).toEqual({ one: 1 })
  })
})

describe('a store whose Postgres goes away', () => {
  it('says so, keeps the process alive, and goes on when it is back', async () => {
    const first = await start()
    await migrate(first.url, findMigrations(import.meta.url))
    const options = { url: first.url, fleet: 'f', clock: systemClock, log: silentLog }
    const store = await openStore(options)
    try {
      await store.write(put('b1', 'http://a'))
      await first.stop()
      await expect(store.write(put('b2', 'http://a'))).rejects.toBeInstanceOf(DatabaseUnavailable)
      await expect(store.resource('backend', 'b1')).rejects.toBeInstanceOf(DatabaseUnavailable)
      expect(await store.alive()).toBe(false)
    } finally {
      await store.close()
    }
    const second = await start()
    const again = await openStore({ ...options, url: second.url })
    try {
      expect(await again.write(put('b2', 'http://a'))).toMatchObject({
        kind: 'committed',
        revision: 2,
      })
      await eventually(() => again.alive())
    } finally {
      await again.close()
    }
  })
})
