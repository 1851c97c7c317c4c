import { setImmediate } from 'node:timers/promises'
import {
  type Chunk,
  decodeChunk,
  type Digest,
  EVENT_SCHEMA,
  err,
  internSpecs,
  JsonCursor,
  type Manifest,
  ok,
  PackedMap,
  type PackedPiece,
  type Resource,
  type ResourceName,
  type Result,
  type Snapshot,
  snapshotFrom,
} from '@signalbox/model'
import { packChunk, releaseText, unpackChunk, unpackKnown } from './pack.ts'

/** Where chunks lie. */
export interface ChunkSource {
  readonly name: string
  /** A chunk's data; null where there is none. May reject: then it has none now. */
  chunk(hash: string): Promise<Uint8Array | null>
}

/**
 * Makes of a chunk's text (UTF-8) what its reader looks things up by, so that the resources in it
 * need not be made. Throws where it is none that it knows.
 */
export type Digests = { readonly [Name in ResourceName]?: (text: Uint8Array) => Digest }

export interface Reading {
  readonly sources: readonly ChunkSource[]
  readonly digests?: Digests | undefined
}

/** Chunks that are asked for before they are needed: what hides the way to a source and back. */
const AHEAD = 8
/** A text of so many bytes is parsed in a millisecond or two: others may have their turn. */
const LONG_BYTES = 32 * 1024
/** Kinds of which a member never looks at most: many of them stay packed. */
const PACKED: readonly ResourceName[] = ['key']
/** Fewer are a map: they cost little, and look-ups in them less. */
const PACKED_MIN = 10_000

/** A chunk's text, and the data that it was unpacked from. */
interface Unpacked {
  readonly text: Buffer
  readonly data: Uint8Array
}

/**
 * The snapshot that a manifest lists, read piece by piece. A chunk that one source has not, or has
 * damaged, is taken from the next; where none has it, the sentence says of each why.
 */
export async function readSnapshot(
  { head, schema, chunks }: Manifest,
  reading: Reading,
): Promise<Result<Snapshot, string>> {
  const shelf = openShelf(chunks, schema, reading.digests ?? {})
  const coming: Promise<Result<Unpacked, string>>[] = []
  for (const [index, chunk] of chunks.entries()) {
    while (coming.length < Math.min(AHEAD, chunks.length - index)) {
      const next = chunks[index + coming.length]
      if (next) coming.push(unpackedOf(next, reading.sources))
    }
    const unpacked = await coming.shift()
    if (!unpacked?.ok) return err(unpacked?.error ?? 'no chunk')
    const last = await shelf.put(chunk, unpacked.value)
    if (!last.ok) return err(`${nameOf(chunk)}: ${last.error}`)
    if (!endsBefore(last.value, chunk, chunks[index + 1])) {
      return err(`${nameOf(chunk)}: it reaches into the next one`)
    }
    const long = unpacked.value.text.length > LONG_BYTES
    releaseText(unpacked.value.text)
    if (long) await setImmediate()
  }
  return ok(snapshotFrom(head, (name) => shelf.collection(name)))
}

/** So that no id is in two chunks. */
function endsBefore(last: string, { resource }: Chunk, next: Chunk | undefined): boolean {
  return next?.resource !== resource || last < next.first
}

/** What has been read. */
interface Shelf {
  /** Answers the chunk's last id. */
  put(chunk: Chunk, unpacked: Unpacked): Promise<Result<string, string>>
  collection(name: ResourceName): ReadonlyMap<string, Resource>
}

function openShelf(chunks: readonly Chunk[], schema: number, digests: Digests): Shelf {
  const maps = new Map<ResourceName, Map<string, Resource>>()
  const pieces = new Map<ResourceName, PackedPiece[]>()
  const intern = internSpecs()
  const packed = PACKED.filter((name) => countOf(chunks, name) > PACKED_MIN)
  return {
    put: async (chunk, unpacked) => {
      const { resource: name } = chunk
      if (packed.includes(name)) {
        const piece = await pieceOf(chunk, unpacked, { schema, digest: digests[name] })
        if (!piece.ok) return piece
        pieces.set(name, pieces.get(name) ?? [])
        pieces.get(name)?.push(piece.value.piece)
        return ok(piece.value.last)
      }
      const decoded = decodeChunk(elementsOf(unpacked.text, intern), chunk, schema)
      if (!decoded.ok) return decoded
      const all = maps.get(name) ?? new Map<string, Resource>()
      maps.set(name, all)
      for (const resource of decoded.value) all.set(resource.id, resource)
      return ok(decoded.value.at(-1)?.id ?? '')
    },
    collection: (name) => {
      const kept = pieces.get(name)
      return kept ? PackedMap.of(kept, unpackPiece) : (maps.get(name) ?? new Map())
    },
  }
}

/**
 * The elements of a list, or undefined where it is none. Each is parsed by itself and shares what
 * it has in common with others at once, so that what it does not keep dies young.
 */
function elementsOf(
  text: Buffer,
  intern: (resource: Resource) => Resource,
): readonly unknown[] | undefined {
  const elements: unknown[] = []
  try {
    const cursor = new JsonCursor(text)
    for (let first = true; cursor.nextElement(first); first = false) {
      const start = cursor.at
      cursor.value()
      elements.push(intern(JSON.parse(text.toString('utf8', start, cursor.at)) as Resource))
    }
    return cursor.at === text.length ? elements : undefined
  } catch {
    return undefined
  }
}

function countOf(chunks: readonly Chunk[], name: ResourceName): number {
  return chunks.reduce((sum, { resource, count }) => sum + (resource === name ? count : 0), 0)
}

interface Noting {
  readonly schema: number
  readonly digest: ((text: Uint8Array) => Digest) | undefined
}

async function pieceOf(
  chunk: Chunk,
  { text, data }: Unpacked,
  { schema, digest }: Noting,
): Promise<Result<{ readonly piece: PackedPiece; readonly last: string }, string>> {
  const { first, count, hash } = chunk
  if (schema === EVENT_SCHEMA && digest) {
    const noted = noteOf(text, digest)
    if (!noted.ok) return noted
    if (noted.value.count !== count) return err('not as many resources as it says')
    if (noted.value.first !== first) return err('it begins with another id than it says')
    const own = ownOf(data)
    return ok({
      piece: { first, count, hash, data: own, digest: noted.value },
      last: noted.value.last,
    })
  }
  const decoded = decodeChunk(text.toString('utf8'), chunk, schema)
  if (!decoded.ok) return decoded
  const last = decoded.value.at(-1)?.id ?? ''
  if (schema === EVENT_SCHEMA) {
    return ok({ piece: { first, count, hash, data: ownOf(data), digest: null }, last })
  }
  // Of an earlier schema: it is kept as the present version writes it.
  const present = JSON.stringify(decoded.value)
  const stored = await packChunk(present)
  const noted = digest ? noteOf(Buffer.from(present), digest) : ok(null)
  return noted.ok ? ok({ piece: { first, count, ...stored, digest: noted.value }, last }) : noted
}

/** A copy, where what a source answered is a part of something larger. */
function ownOf(data: Uint8Array): Uint8Array {
  return data.byteLength === data.buffer.byteLength ? data : new Uint8Array(data)
}

function noteOf(text: Uint8Array, digest: (text: Uint8Array) => Digest): Result<Digest, string> {
  try {
    return ok(digest(text))
  } catch (error) {
    return err(messageOf(error))
  }
}

function unpackPiece({ data }: PackedPiece): readonly Resource[] {
  return JSON.parse(unpackKnown(data)) as readonly Resource[]
}

/** The text of one chunk, from the first source that has it whole. */
export async function textOf(
  chunk: Chunk,
  sources: readonly ChunkSource[],
): Promise<Result<string, string>> {
  const unpacked = await unpackedOf(chunk, sources)
  return unpacked.ok ? ok(unpacked.value.text.toString('utf8')) : unpacked
}

async function unpackedOf(
  chunk: Chunk,
  sources: readonly ChunkSource[],
): Promise<Result<Unpacked, string>> {
  const reasons: string[] = []
  for (const source of sources) {
    const data = await source.chunk(chunk.hash).catch(messageOf)
    if (data === null) reasons.push(`${source.name} does not have it`)
    else if (typeof data === 'string') reasons.push(`${source.name}: ${data}`)
    else {
      const text = await unpackChunk({ hash: chunk.hash, data })
      if (text.ok) return ok({ text: text.value, data })
      reasons.push(`${source.name}: ${text.error}`)
    }
  }
  return err(`${nameOf(chunk)}: ${reasons.join(', ')}`)
}

function nameOf({ resource, first, hash }: Chunk): string {
  return `chunk ${hash.slice(0, 12)} (${resource} ${first})`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
