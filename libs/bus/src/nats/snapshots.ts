import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { JetStreamApiCodes, JetStreamApiError, jetstream } from '@nats-io/jetstream'
import { Objm, type ObjectInfo, type ObjectStore, StorageType } from '@nats-io/obj'
import { type NatsConnection } from '@nats-io/transport-node'
import { type Head } from '@signalbox/model'
import { BusUnavailable, type PublishedSnapshot, REQUEST_DEADLINE_MS } from '../bus.ts'
import { supersedes } from '../stream-rules.ts'
import { directGet } from './direct-get.ts'
import { isHead } from './wire.ts'

/*
 * The newest snapshot as one object, gzipped, its head in the object's metadata. Replaced only by
 * compare-and-set on what was compared, so that an older one never replaces a newer.
 */

const NAME = 'latest'
/** Publishers that race for the same object; the loser compares again. */
const PUT_ATTEMPTS = 3
/** A snapshot that unpacks to more is not one of ours. */
const SNAPSHOT_BYTES_MAX = 1024 * 1024 * 1024

const pack = promisify(gzip)
const unpack = promisify(gunzip)

interface Bucket {
  readonly nc: NatsConnection
  readonly name: string
}

export async function putSnapshot(
  { nc, name, replicas }: Bucket & { readonly replicas: number },
  snapshot: PublishedSnapshot,
): Promise<void> {
  const objects = await storeManager(nc).create(name, { storage: StorageType.File, replicas })
  let bytes: Uint8Array | undefined
  for (let attempt = 0; attempt < PUT_ATTEMPTS; attempt++) {
    const present = await objects.info(NAME)
    if (!supersedes(snapshot.head, present && readHeadOf(present))) return
    bytes ??= await pack(snapshot.text)
    const meta = { name: NAME, metadata: { head: JSON.stringify(snapshot.head) } }
    try {
      await objects.putBlob(meta, bytes, { previousRevision: present?.revision ?? 0 })
      return
    } catch (error) {
      const raced =
        error instanceof JetStreamApiError &&
        error.code === JetStreamApiCodes.StreamWrongLastSequence
      if (!raced) throw error
    }
  }
  throw new BusUnavailable('other publishers keep replacing the snapshot')
}

/** null where there is none. `signal` ends a reading that does not come to its end. */
export async function getSnapshot(
  { nc, name }: Bucket,
  signal: AbortSignal,
): Promise<PublishedSnapshot | null> {
  // The bucket holds one description: a newer one rolls up the older.
  const stored = await directGet(nc, { stream: `OBJ_${name}`, seq: 1, subject: `$O.${name}.M.*` })
  const info = stored?.json<ObjectInfo>()
  const head = info && !info.deleted && readHeadOf(info)
  if (!info || !head) return null
  const bytes = await readChunks({ nc, name }, info, signal)
  const text = await unpack(bytes, { maxOutputLength: SNAPSHOT_BYTES_MAX })
  return { head, text: text.toString('utf8') }
}

/**
 * Chunk after chunk: a consumer, as the client would make one, is work and memory for the broker,
 * and a right that no follower has (permissions.ts).
 */
async function readChunks(
  { nc, name }: Bucket,
  info: ObjectInfo,
  signal: AbortSignal,
): Promise<Buffer> {
  const digest = createHash('sha256')
  const parts: Uint8Array[] = []
  const of = { stream: `OBJ_${name}`, subject: `$O.${name}.C.${info.nuid}` }
  let seq = 1
  while (parts.length < info.chunks) {
    signal.throwIfAborted()
    const chunk = await directGet(nc, { ...of, seq })
    if (!chunk) throw new BusUnavailable('the snapshot was replaced while it was read')
    parts.push(chunk.data)
    digest.update(chunk.data)
    seq = chunk.seq + 1
  }
  if (`SHA-256=${digest.digest('base64url')}` !== info.digest.replace(/=+$/, '')) {
    throw new BusUnavailable('the snapshot does not have its digest')
  }
  return Buffer.concat(parts)
}

export async function dropSnapshot({ nc, name }: Bucket): Promise<void> {
  const objects = await openBucket(nc, name)
  await objects?.destroy()
}

async function openBucket(nc: NatsConnection, name: string): Promise<ObjectStore | null> {
  const objects = await storeManager(nc).open(name, false)
  try {
    await objects.status()
    return objects
  } catch (error) {
    if (error instanceof Error && error.message === 'object store not found') return null
    throw error
  }
}

function storeManager(nc: NatsConnection): Objm {
  return new Objm(jetstream(nc, { timeout: REQUEST_DEADLINE_MS, checkAPI: false }))
}

function readHeadOf({ metadata }: ObjectInfo): Head | null {
  try {
    const head = JSON.parse(metadata?.['head'] ?? '') as Partial<Head> | null
    return isHead(head) ? head : null
  } catch {
    return null
  }
}
