import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { JetStreamApiCodes, JetStreamApiError, jetstream } from '@nats-io/jetstream'
import { Objm, type ObjectInfo, type ObjectStore, StorageType } from '@nats-io/obj'
import { type NatsConnection } from '@nats-io/transport-node'
import { type Head } from '@signalbox/model'
import { BusUnavailable, type PublishedSnapshot, REQUEST_DEADLINE_MS } from '../bus.ts'
import { supersedes } from '../stream-rules.ts'
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
  const objects = await openBucket(nc, name)
  const object = await objects?.get(NAME)
  const head = object && readHeadOf(object.info)
  if (!object || !head) return null
  const reader = object.data.getReader()
  const stop = () => void reader.cancel().catch(() => {})
  signal.addEventListener('abort', stop)
  try {
    const parts: Uint8Array[] = []
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value)
    }
    // Settles with the reading: the object's digest has been compared.
    const problem = await object.error
    if (problem) throw problem
    const text = await unpack(Buffer.concat(parts), { maxOutputLength: SNAPSHOT_BYTES_MAX })
    return { head, text: text.toString('utf8') }
  } finally {
    signal.removeEventListener('abort', stop)
  }
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
  return new Objm(jetstream(nc, { timeout: REQUEST_DEADLINE_MS }))
}

function readHeadOf({ metadata }: ObjectInfo): Head | null {
  try {
    const head = JSON.parse(metadata?.['head'] ?? '') as Partial<Head> | null
    return isHead(head) ? head : null
  } catch {
    return null
  }
}
