import { randomUUID } from 'node:crypto'
import { PrismaPg } from '@prisma/adapter-pg'
import { type Clock, type Log } from '@signalbox/host'
import { GENESIS_HASH, refuse } from '@signalbox/model'
import type pg from 'pg'
import { readKeptAnswers, replaceAnswer } from './idempotency.ts'
import { keepCheckpoint, readCheckpoints, readDenials, recordDenials } from './audit.ts'
import {
  type Reader,
  readResource,
  readRevision,
  readRevisionAt,
  readRevisions,
} from './queries.ts'
import { readPage } from './pages.ts'
import { noteUses, readLastUses, readPrincipals } from './principals.ts'
import { openPool, withClient } from './database.ts'
import { PrismaClient } from './generated/client.ts'
import { keepEpoch } from './epoch.ts'
import { listenForAppends } from './listen.ts'
import { readConcerning } from './concerning.ts'
import { readSealed, readToPublish } from './data-keys.ts'
import { HELD_MAX } from './held.ts'
import { readBetween, readResourceAt } from './past.ts'
import { readHead, readIds, readMessagesAfter, readSnapshot } from './read.ts'
import { requestStore } from './requests.ts'
import { DatabaseUnavailable, type Store } from './store.ts'
import { transitionStore } from './transitions.ts'
import { readWhole } from './verify.ts'
import { readSnapshotToPublish, visitToPublish } from './whole.ts'
import { createWriteQueue } from './write-queue.ts'
import { createWriteTrain } from './write-train.ts'
import { type Writer, writeSettled } from './write.ts'

/** How long alive() waits for an answer. */
const ALIVE_TIMEOUT_MS = 1_000
/** How long close() waits for the server to end connections: a silent one never does. */
const CLOSE_TIMEOUT_MS = 2_000
/** For records of requests, beside those of the commands. */
const REQUEST_CONNECTIONS_MAX = 2

export interface OpenStoreOptions {
  readonly url: string
  readonly fleet: string
  readonly clock: Clock
  readonly log: Log
  /** A collection of more resources is not kept in memory but asked for. */
  readonly heldMax?: number
}

/**
 * Opens the log of a fleet; the first to open it gives it a lineage. The migrations have been
 * applied (migrate()). Rejects with DatabaseUnavailable where Postgres does not answer.
 */
export async function openStore(options: OpenStoreOptions): Promise<Store> {
  const { url, fleet, clock, log, heldMax = HELD_MAX } = options
  const pool = await openLog(url, fleet)
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool) })
  const reader: Reader = { pool, prisma, fleet }
  const writer: Writer = { pool, fleet, clock, cache: null, heldMax }
  const requestPool = openPool(url, REQUEST_CONNECTIONS_MAX)
  const queue = createWriteQueue({ clock })
  const train = createWriteTrain(queue, (requests) => writeSettled(writer, requests))
  const listeners = new Set<() => void>()
  const tell = () => {
    for (const listener of listeners) tellOne(listener, log)
  }
  const stopListening = listenForAppends({ url, fleet, clock, log, onAppend: tell })

  return {
    requests: requestStore({ pool: requestPool, fleet }),
    transitions: transitionStore({ pool: requestPool, fleet }),
    head: () => readHead(reader),
    snapshot: (asOf, only) =>
      readSnapshot(reader, { ...(asOf === undefined ? {} : { asOf }), ...(only ? { only } : {}) }),
    concerning: (concern, asOf) => readConcerning(reader, concern, asOf),
    revisionAt: (time) => readRevisionAt(reader, time),
    resource: (name, id, asOf) =>
      asOf === undefined
        ? readResource(reader, name, id)
        : readResourceAt(reader, { resource: name, id }, asOf),
    ids: (name, part = {}) => readIds(reader, name, part),
    between: (from, to) => readBetween(reader, from, to),
    page: (name, query) => readPage(reader, name, query),
    revisions: (filter) => readRevisions(reader, filter),
    revision: (revision) => readRevision(reader, revision),
    readWhole: (each) => readWhole(reader, each),
    ...besideTheLog(reader),
    toPublish: (revision, limit) => readToPublish(reader, revision, limit),
    snapshotToPublish: () => readSnapshotToPublish(reader),
    visitToPublish: (visit) => visitToPublish(reader, visit),
    sealed: (page) => readSealed(reader, page),
    messagesAfter: (revision, limit) => readMessagesAfter(reader, revision, limit),
    write: async (request) => {
      const outcome = await train.enter(request)
      if (!outcome) return { kind: 'refused', refusal: QUEUE_FULL }
      if (outcome.kind === 'committed') tell()
      return outcome
    },
    keepEpoch: async (cause) => {
      const done = await queue.enter(async () => ({ reason: await keepEpoch(writer, cause) }))
      // Not to be taken for "nothing was to be done".
      if (!done) throw new DatabaseUnavailable('too many writes wait: no epoch was begun')
      if (done.reason !== null) tell()
      return done.reason
    },
    onAppend: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    alive: () => answersInTime(pool, clock),
    close: async () => {
      await queue.idle()
      const endPool = async () => {
        await prisma.$disconnect()
        for (const one of [pool, requestPool]) if (!one.ending) await one.end()
      }
      await inTime(Promise.all([stopListening(), endPool()]), clock)
    },
  }
}

type BesideTheLog =
  | 'keepCheckpoint'
  | 'checkpoints'
  | 'recordDenials'
  | 'denials'
  | 'keptAnswers'
  | 'replaceAnswer'
  | 'principals'
  | 'noteUses'
  | 'lastUses'

/** What is kept in tables of its own. */
function besideTheLog(reader: Reader): Pick<Store, BesideTheLog> {
  return {
    keepCheckpoint: (checkpoint) => keepCheckpoint(reader, checkpoint),
    checkpoints: (limit) => readCheckpoints(reader, limit),
    recordDenials: (denials) => recordDenials(reader, denials),
    denials: (page) => readDenials(reader, page),
    keptAnswers: (prefix, page) => readKeptAnswers(reader, prefix, page),
    replaceAnswer: (answer, body) => replaceAnswer(reader, answer, body),
    principals: () => readPrincipals(reader),
    noteUses: (uses) => noteUses(reader, uses),
    lastUses: (part = {}) => readLastUses(reader, part),
  }
}

const QUEUE_FULL = refuse('write_queue_full', 'too many writes wait already')

/** A pool for a log that exists from now on. */
async function openLog(url: string, fleet: string): Promise<pg.Pool> {
  const pool = openPool(url)
  try {
    await createLog(pool, fleet)
    return pool
  } catch (error) {
    await pool.end()
    throw error
  }
}

async function createLog(pool: pg.Pool, fleet: string): Promise<void> {
  const sql = `INSERT INTO log_head (fleet, lineage, epoch, revision, position, hash)
    VALUES ($1, $2, 1, 0, 0, $3) ON CONFLICT (fleet) DO NOTHING`
  const row = [fleet, randomUUID(), Buffer.from(GENESIS_HASH, 'hex')]
  await withClient(pool, (client) => client.query(sql, row))
}

/** What a listener throws is its own bug: the change is committed all the same. */
function tellOne(listener: () => void, log: Log): void {
  try {
    listener()
  } catch (error) {
    log.error({ cause: String(error) }, 'a listener to the log failed')
  }
}

/** Settles with the work, or without it: what is left then goes with the process. */
async function inTime(work: Promise<unknown>, clock: Clock): Promise<void> {
  const late = Promise.withResolvers<void>()
  const cancel = clock.after(CLOSE_TIMEOUT_MS, late.resolve)
  await Promise.race([work, late.promise]).finally(() => cancel())
}

async function answersInTime(pool: pg.Pool, clock: Clock): Promise<boolean> {
  let cancel = () => {}
  const late = new Promise<boolean>((resolve) => {
    cancel = clock.after(ALIVE_TIMEOUT_MS, () => resolve(false))
  })
  const asked = withClient(pool, (client) => client.query('SELECT 1')).then(
    () => true,
    (error: unknown) => {
      if (error instanceof DatabaseUnavailable) return false
      throw error
    },
  )
  return Promise.race([asked, late]).finally(() => cancel())
}
