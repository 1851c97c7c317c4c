// One private Postgres for the whole run; each test takes a database of its own (freshDatabase()).
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stopOrphan } from '../libs/store/src/embedded/orphan.ts'
import { startEmbeddedPostgres } from '../libs/store/src/embedded/start.ts'
import { findMigrations, migrate } from '../libs/store/src/migrate.ts'

const PREFIX = 'signalbox-tests-'
const SECRET_BYTES = 16

export default async function setup() {
  await sweep()
  const folder = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`))
  // The server runs as another user where this is root: it may pass, not list.
  chmodSync(folder, 0o711)
  const postgres = await startEmbeddedPostgres({
    dataDir: join(folder, 'postgres'),
    password: randomBytes(SECRET_BYTES).toString('hex'),
    ephemeral: true,
  })
  // What every new database begins as.
  const template = new URL(postgres.url)
  template.pathname = '/template1'
  await migrate(template.href, findMigrations(import.meta.url))
  process.env.SIGNALBOX_TEST_DATABASE_URL = postgres.url
  globalThis.__signalboxTestDatabase = {
    stop: async () => {
      await postgres.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Ends and removes what runs that were killed have left. */
async function sweep() {
  for (const name of readdirSync(tmpdir())) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1])
    if (!pid || isAlive(pid)) continue
    await stopOrphan(join(tmpdir(), name, 'postgres'))
    rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}
