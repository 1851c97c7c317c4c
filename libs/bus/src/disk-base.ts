import { type FileHandle, open, readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import {
  type Chunk,
  chunkIndex,
  collection,
  cutPieces,
  decodeManifest,
  encodeManifest,
  err,
  EVENT_SCHEMA,
  LayeredMap,
  type Manifest,
  ok,
  PackedMap,
  type PackedPiece,
  type Resource,
  type ResourceName,
  RESOURCES,
  type Result,
  type Snapshot,
} from '@signalbox/model'
import { messageOf, sumOf, writeWhole } from './disk-file.ts'
import { packChunk } from './pack.ts'
import { type ChunkSource, type Digests, readSnapshot } from './read-snapshot.ts'

/*
 * A large snapshot on disk: its chunks one after the other, as they travel on the bus, and then an
 * index that says where each lies. A base never changes once it has its name. Whoever refers to it
 * keeps the index's place and hash, and each chunk has its own, so that nothing damaged is read.
 */

/** Which base, and where its index lies. */
export interface BaseName {
  readonly name: string
  readonly indexAt: number
  readonly indexBytes: number
  readonly indexHash: string
}

const BASE_FORM = /^base-\d{1,15}\.pack$/
/** Resources of one piece at most. */
const PIECE = 1_000
/** What is written at once. */
const BATCH_BYTES = 1024 * 1024
/** Of an index: far above what a million resources need. */
const INDEX_BYTES_MAX = 64 * 1024 * 1024

interface Packed {
  readonly chunk: Chunk
  readonly data: Uint8Array
}

/** Writes a snapshot as a base. Rejects where it cannot be written. */
export async function writeBase(
  dir: string,
  number: number,
  snapshot: Snapshot,
): Promise<BaseName> {
  const name = `base-${number}.pack`
  const chunks: Chunk[] = []
  const lengths: number[] = []
  let indexAt = 0
  let index = Buffer.alloc(0)
  await writeWhole(dir, { temporary: 'base.tmp', name }, async (file) => {
    let batch: Uint8Array[] = []
    let filled = 0
    const flush = async () => {
      if (batch.length > 0) await file.writev(batch)
      batch = []
      filled = 0
    }
    for await (const { chunk, data } of packed(snapshot)) {
      chunks.push(chunk)
      lengths.push(data.length)
      batch.push(data)
      indexAt += data.length
      filled += data.length
      if (filled > BATCH_BYTES) await flush()
    }
    const manifest = encodeManifest({ head: snapshot.head, schema: EVENT_SCHEMA, chunks })
    index = Buffer.from(JSON.stringify({ manifest, lengths }), 'utf8')
    batch.push(index)
    await flush()
  })
  return { name, indexAt, indexBytes: index.length, indexHash: sumOf(index) }
}

/** All resources in chunks; those that lie packed already are not unpacked. */
async function* packed(snapshot: Snapshot): AsyncGenerator<Packed> {
  for (const name of RESOURCES) {
    const all: ReadonlyMap<string, Resource> = collection(snapshot, name)
    const { base } = LayeredMap.of(all)
    if (base instanceof PackedMap) yield* repacked(name, base, all)
    else yield* packedFrom(name, [...all.values()].sort(byId))
  }
}

async function* repacked(
  name: ResourceName,
  { pieces, pristine }: PackedMap,
  all: ReadonlyMap<string, Resource>,
): AsyncGenerator<Packed> {
  const changed = LayeredMap.of(all).changedFrom(pristine) ?? []
  const byPiece = Map.groupBy(changed, (id) => chunkIndex(pieces, id))
  for (const [index, piece] of pieces.entries()) {
    const ids = byPiece.get(index)
    if (ids) yield* packedFrom(name, present(piece, pristine, { ids, all }))
    else yield { chunk: chunkOf(name, piece), data: piece.data }
  }
}

/** What a piece would hold now, sorted. */
function present(
  piece: PackedPiece,
  pristine: PackedMap,
  { ids, all }: { readonly ids: readonly string[]; readonly all: ReadonlyMap<string, Resource> },
): readonly Resource[] {
  const resources = new Map(pristine.read(piece))
  for (const id of ids) {
    const now = all.get(id)
    if (now) resources.set(id, now)
    else resources.delete(id)
  }
  return [...resources.values()].sort(byId)
}

async function* packedFrom(
  name: ResourceName,
  resources: readonly Resource[],
): AsyncGenerator<Packed> {
  for (let start = 0; start < resources.length; start += PIECE) {
    for (const { first, count, text } of cutPieces(resources.slice(start, start + PIECE))) {
      const { hash, data } = await packChunk(text)
      yield { chunk: { resource: name, first, count, hash }, data }
      await setImmediate()
    }
  }
}

function chunkOf(resource: ResourceName, { first, count, hash }: PackedPiece): Chunk {
  return { resource, first, count, hash }
}

function byId({ id: one }: Resource, { id: other }: Resource): number {
  return one < other ? -1 : 1
}

/** The snapshot that was written under this name; a sentence where it is not there or damaged. */
export async function readBase(
  dir: string,
  base: BaseName,
  digests: Digests,
): Promise<Result<Snapshot, string>> {
  const { name } = base
  if (!BASE_FORM.test(name)) return err('it refers to no base')
  let file: FileHandle | undefined
  try {
    file = await open(join(dir, name), 'r')
    const index = await readIndex(file, base)
    if (!index.ok) return err(`${name}: ${index.error}`)
    const read = await readSnapshot(index.value.manifest, {
      sources: [sourceOf(file, index.value)],
      digests,
    })
    return read.ok ? read : err(`${name}: ${read.error}`)
  } catch (error) {
    return err(`${name}: ${messageOf(error)}`)
  } finally {
    await file?.close()
  }
}

interface Index {
  readonly manifest: Manifest
  /** Of each chunk, in order. */
  readonly lengths: readonly number[]
}

async function readIndex(file: FileHandle, base: BaseName): Promise<Result<Index, string>> {
  const { indexAt, indexBytes, indexHash } = base
  if (indexBytes > INDEX_BYTES_MAX) return err('its index is too long')
  const bytes = await readAt(file, indexAt, indexBytes)
  if (sumOf(bytes) !== indexHash) return err('its index does not hold')
  const { manifest, lengths } = JSON.parse(bytes.toString('utf8')) as {
    readonly manifest: string
    readonly lengths: readonly number[]
  }
  const decoded = decodeManifest(manifest)
  return decoded.ok ? ok({ manifest: decoded.value, lengths }) : decoded
}

function sourceOf(file: FileHandle, { manifest, lengths }: Index): ChunkSource {
  const places = new Map<string, { readonly at: number; readonly length: number }>()
  let at = 0
  for (const [index, { hash }] of manifest.chunks.entries()) {
    const length = lengths[index] ?? 0
    places.set(hash, { at, length })
    at += length
  }
  return {
    name: 'the disk',
    chunk: async (hash) => {
      const place = places.get(hash)
      return place ? readAt(file, place.at, place.length) : null
    },
  }
}

async function readAt(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length)
  const { bytesRead } = await file.read(bytes, 0, length, at)
  return bytesRead === length ? bytes : bytes.subarray(0, bytesRead)
}

/** Removes bases that nobody refers to. What cannot be removed now is, another time. */
export async function sweepBases(dir: string, kept: readonly string[]): Promise<void> {
  const names = await readdir(dir).catch(() => [])
  const gone = names.filter((name) => BASE_FORM.test(name) && !kept.includes(name))
  await Promise.all(gone.map((name) => unlink(join(dir, name)).catch(() => {})))
}
