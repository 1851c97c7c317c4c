import { silentLog } from '@signalbox/host'
import {
  type Chunk,
  collection,
  cutPieces,
  EVENT_SCHEMA,
  type Manifest,
  type Resource,
  RESOURCES,
  type Snapshot,
} from '@signalbox/model'
import { type Bus, type PublishOutcome, type StoredChunk } from './bus.ts'
import { manifestSigner, manifestTrust, type Sign, signManifest } from './manifest.ts'
import { packChunk } from './pack.ts'
import { takeSnapshot } from './take-snapshot.ts'

const FLEET = { masterKey: Buffer.alloc(32, 7), fleet: 'test' }
export const sign = manifestSigner(FLEET)
export const trusts = manifestTrust(FLEET)

export interface Chunked {
  readonly manifest: Manifest
  readonly chunks: readonly StoredChunk[]
}

export async function chunked(snapshot: Snapshot): Promise<Chunked> {
  const chunks: Chunk[] = []
  const stored: StoredChunk[] = []
  for (const resource of RESOURCES) {
    const all: Resource[] = [...collection(snapshot, resource).values()]
    all.sort((one, other) => (one.id < other.id ? -1 : 1))
    for (const { first, count, text } of cutPieces(all)) {
      const one = await packChunk(text)
      stored.push(one)
      chunks.push({ resource, first, count, hash: one.hash })
    }
  }
  return { manifest: { head: snapshot.head, schema: EVENT_SCHEMA, chunks }, chunks: stored }
}

/** Puts a snapshot in the place of the one that is there. */
export async function publishSnapshot(
  bus: Bus,
  snapshot: Snapshot,
  signed: Sign = sign,
): Promise<PublishOutcome> {
  const base = await bus.latestManifest()
  const { manifest, chunks } = await chunked(snapshot)
  for (const chunk of chunks) await bus.publishChunk(chunk)
  return bus.publishManifest(signManifest(manifest, signed), base)
}

export function snapshotOn(bus: Bus): Promise<Snapshot | null> {
  return takeSnapshot({ bus, trusts, log: silentLog })
}

/** The state with so many more backends. */
export function manyBackends(state: Snapshot, count: number): Snapshot {
  const [one] = state.backends.values()
  if (!one) throw new Error('there is no backend to copy')
  const ids = Array.from({ length: count }, (_, nth) => `many-${String(nth).padStart(6, '0')}`)
  const more = ids.map((id) => [id, { ...one, id }] as const)
  return { ...state, backends: new Map([...state.backends, ...more]) }
}
