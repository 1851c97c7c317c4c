// One private Postgres for the whole run; each suite takes a database of its own (freshDatabase()).
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '../libs/store/src/embedded/start.ts'

export default async function setup() {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-tests-'))
  chmodSync(folder, 0o711)
  const password = randomBytes(16).toString('hex')
  const postgres = await startEmbeddedPostgres({
    dataDir: join(folder, 'postgres'),
    password,
    ephemeral: true,
  })
  process.env.SIGNALBOX_TEST_DATABASE_URL = postgres.url
  globalThis.__signalboxPostgres = {
    stop: async () => {
      await postgres.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
