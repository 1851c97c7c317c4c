import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import {
  jetstream,
  JetStreamApiCodes,
  JetStreamApiError,
  jetstreamManager,
  type StoredMsg,
} from '@nats-io/jetstream'
import { Objm, StorageType } from '@nats-io/obj'
import { headers, type NatsConnection } from '@nats-io/transport-node'
import { MANIFEST_TEXT_BYTES_MAX } from '@signalbox/model'
import {
  CHUNK_BYTES_MAX,
  type PublishOutcome,
  REQUEST_DEADLINE_MS,
  type SignedManifest,
  type StoredChunk,
} from '../bus.ts'
import { chunksNamed } from '../manifest.ts'
import { directGet, isUnanswered } from './direct-get.ts'

/*
 * Chunks and the manifest of the newest snapshot, in an object store: a chunk is one message under
 * the hash of its text, the manifest the only message of its subject, replaced by compare-and-set
 * on the message that it was made from. What no manifest names is swept away behind it: only what
 * is older than the manifest before, so that nothing goes which somebody has just put there for a
 * manifest that is still being made. That one's compare-and-set fails, if another came before it.
 */

const ROLLUP = 'Nats-Rollup'

const pack = promisify(gzip)
const unpack = promisify(gunzip)

interface Bucket {
  readonly nc: NatsConnection
  readonly name: string
}
type Owned = Bucket & { readonly replicas: number }

/** Bus.publishChunk(). */
export async function putChunk(bucket: Owned, { hash, data }: StoredChunk): Promise<void> {
  await putMessage(bucket, { subject: chunkSubject(bucket, hash), data })
}

/** Bus.snapshotChunk(). */
export async function getChunk(bucket: Bucket, hash: string): Promise<Uint8Array | null> {
  return (await firstOf(bucket, chunkSubject(bucket, hash)))?.data ?? null
}

/** Bus.latestManifest(). */
export async function getManifest(bucket: Bucket): Promise<SignedManifest | null> {
  const stored = await firstOf(bucket, manifestSubject(bucket))
  return stored && readManifest(stored)
}

/** Bus.publishManifest(). */
export async function putManifest(
  bucket: Owned,
  next: SignedManifest,
  base: SignedManifest | null,
): Promise<PublishOutcome> {
  const present = await presentManifest(bucket)
  const there = present && (await readManifest(present))
  // One that cannot be read is in nobody's way.
  if (there?.text !== base?.text) return { kind: 'conflict' }
  const data = await pack(JSON.stringify(next))
  if (data.length > CHUNK_BYTES_MAX) throw new Error(`a manifest has ${data.length} bytes`)
  try {
    const lastSequence = present?.seq ?? 0
    await putMessage(bucket, { subject: manifestSubject(bucket), data, lastSequence })
  } catch (error) {
    if (isRaced(error)) return { kind: 'conflict' }
    throw error
  }
  // The manifest is stored, whatever becomes of this: the next one sweeps as well.
  if (present) await sweep(bucket, chunksNamed([next, base]), present.seq).catch(() => {})
  return { kind: 'stored' }
}

export async function dropSnapshot({ nc, name }: Bucket): Promise<void> {
  const jsm = await jetstreamManager(nc, { timeout: REQUEST_DEADLINE_MS, checkAPI: false })
  try {
    await jsm.streams.delete(streamOf(name))
  } catch (error) {
    if (!isApiError(error, JetStreamApiCodes.StreamNotFound)) throw error
  }
}

interface Put {
  readonly subject: string
  readonly data: Uint8Array
  /** That the last message of the subject has (0: there is none); not looked at where absent. */
  readonly lastSequence?: number
}

/** Replaces what is under the subject. Makes the bucket where there is none. */
async function putMessage(bucket: Owned, put: Put): Promise<void> {
  try {
    await publish(bucket, put)
  } catch (error) {
    if (!isUnanswered(error)) throw error
    const { nc, name, replicas } = bucket
    const objects = new Objm(jetstream(nc, { timeout: REQUEST_DEADLINE_MS, checkAPI: false }))
    await objects.create(name, { storage: StorageType.File, replicas })
    await publish(bucket, put)
  }
}

async function publish({ nc }: Bucket, { subject, data, lastSequence }: Put): Promise<void> {
  const all = headers()
  all.set(ROLLUP, 'sub')
  await jetstream(nc, { checkAPI: false }).publish(subject, data, {
    headers: all,
    timeout: REQUEST_DEADLINE_MS,
    ...(lastSequence === undefined ? {} : { expect: { lastSubjectSequence: lastSequence } }),
  })
}

/** The only message of a subject, from any replica. */
function firstOf({ nc, name }: Bucket, subject: string): Promise<StoredMsg | null> {
  return directGet(nc, { stream: streamOf(name), seq: 1, subject })
}

/** As the leader has it. */
async function presentManifest(bucket: Bucket): Promise<StoredMsg | null> {
  const { nc, name } = bucket
  const jsm = await jetstreamManager(nc, { timeout: REQUEST_DEADLINE_MS, checkAPI: false })
  try {
    const query = { last_by_subj: manifestSubject(bucket) }
    return await jsm.streams.getMessage(streamOf(name), query)
  } catch (error) {
    const absent = [JetStreamApiCodes.StreamNotFound, JetStreamApiCodes.NoMessageFound]
    if (absent.some((code) => isApiError(error, code))) return null
    throw error
  }
}

async function sweep(
  { nc, name }: Bucket,
  named: ReadonlySet<string>,
  before: number,
): Promise<void> {
  const jsm = await jetstreamManager(nc, { timeout: REQUEST_DEADLINE_MS, checkAPI: false })
  const chunks = chunkSubject({ name }, '')
  const { state } = await jsm.streams.info(streamOf(name), { subjects_filter: `${chunks}*` })
  for (const subject of Object.keys(state.subjects ?? {})) {
    if (named.has(subject.slice(chunks.length))) continue
    await jsm.streams.purge(streamOf(name), { filter: subject, seq: before })
  }
}

async function readManifest({ data }: StoredMsg): Promise<SignedManifest | null> {
  try {
    const bytes = await unpack(data, { maxOutputLength: MANIFEST_TEXT_BYTES_MAX })
    const read = JSON.parse(bytes.toString('utf8')) as Partial<SignedManifest> | null
    const whole = typeof read?.text === 'string' && typeof read.signature === 'string'
    return whole ? (read as SignedManifest) : null
  } catch {
    return null
  }
}

function streamOf(name: string): string {
  return `OBJ_${name}`
}

function chunkSubject({ name }: Pick<Bucket, 'name'>, hash: string): string {
  return `$O.${name}.C.${hash}`
}

function manifestSubject({ name }: Pick<Bucket, 'name'>): string {
  return `$O.${name}.M.manifest`
}

function isRaced(error: unknown): boolean {
  return isApiError(error, JetStreamApiCodes.StreamWrongLastSequence)
}

function isApiError(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.code === code
}
