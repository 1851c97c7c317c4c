import { randomUUID } from 'node:crypto'
import { PrismaPg } from '@prisma/adapter-pg'
import { type Clock, type Log } from '@signalbox/host'
import { GENESIS_HASH, refuse } from '@signalbox/model'
import { CONNECT_TIMEOUT_MS, openPool, withClient } from './database.ts'
import { PrismaClient } from './generated/client.ts'
import { listenForAppends } from './listen.ts'
import {
  headRow,
  readHead,
  readMessages,
  type Reader,
  readResource,
  readRevisionAt,
  readRevisions,
  readSnapshot,
} from './read.ts'
import { DatabaseUnavailable, type Store } from './store.ts'
import { createWriteQueue } from './write-queue.ts'
import { writeOnce, type Writer } from './write.ts'

export interface OpenStoreOptions {
  readonly url: string
  readonly fleet: string
  readonly clock: Clock
  readonly log: Log
}

/**
 * Opens the log of a fleet; the first to open it gives it a lineage. The migrations have been
 * applied
 * (migrate()). Rejects with DatabaseUnavailable where Postgres does not answer.
 */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  const { url, fleet, clock, log } = options
  const pool = openPool(url)
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool, { onPoolError: () => {} }) })
  try {
    await openLog()
  } catch (error) {
    await pool.end()
    throw error
  }
  const reader: Reader = { pool, prisma, fleet }
  const writer: Writer = { pool, fleet, clock, cache: null }
  const queue = createWriteQueue()
  const listeners = new Set<() => void>()
  const tell = () => {
    for (const listener of listeners) listener()
  }
  const stopListening = listenForAppends({ url, fleet, clock, log, onAppend: tell })

  async function openLog(): Promise<void> {
    await withClient(pool, (client) =>
      client.query(
        `INSERT INTO log_head (fleet, lineage, epoch, revision, position, hash)
         VALUES ($1, $2, 1, 0, 0, $3) ON CONFLICT (fleet) DO NOTHING`,
        [fleet, randomUUID(), Buffer.from(GENESIS_HASH, 'hex')],
      ),
    )
  }

  return {
    head: () => readHead(reader),
    snapshot: (asOf) => readSnapshot(reader, asOf),
    revisionAt: (time) => readRevisionAt(reader, time),
    resource: (name, id) => readResource(reader, name, id),
    revisions: (filter) => readRevisions(reader, filter),
    revision: async (only) => (await readRevisions(reader, { only, limit: 1 }))[0] ?? null,
    messagesAfter: (after, limit) =>
      withClient(pool, async (client) => {
        const { lineage } = await headRow(client, fleet)
        return readMessages(client, { fleet, lineage, after, limit })
      }),
    write: async (request) => {
      const turn = queue.enter(() => writeOnce(writer, request))
      if (!turn) {
        const refusal = refuse('write_queue_full', 'too many writes wait already')
        return { kind: 'refused', refusal }
      }
      const outcome = await turn
      if (outcome.kind === 'committed') tell()
      return outcome
    },
    onAppend: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    alive: () => answersWithin(clock, () => withClient(pool, (client) => client.query('SELECT 1'))),
    close: async () => {
      await stopListening()
      await queue.idle()
      await prisma.$disconnect().catch(() => {})
      if (!pool.ended) await pool.end()
    },
  }
}

/** Whether a query comes back in the time that opening a connection may take. */
async function answersWithin(clock: Clock, ask: () => Promise<unknown>): Promise<boolean> {
  let cancel = () => {}
  const late = new Promise<boolean>((resolve) => {
    cancel = clock.after(CONNECT_TIMEOUT_MS, () => resolve(false))
  })
  const asked = ask().then(
    () => true,
    (error: unknown) => {
      if (error instanceof DatabaseUnavailable) return false
      throw error
    },
  )
  return Promise.race([asked, late]).finally(() => cancel())
}
