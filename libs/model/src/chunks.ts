import { EVENT_SCHEMA, type Head } from './event.ts'
import { type Resource, type ResourceName, RESOURCES } from './resource.ts'
import { err, ok, type Result } from './result.ts'
import { isHead } from './snapshot.ts'
import { upcastSpec } from './upcast.ts'

/*
 * A snapshot in pieces that are small enough to be read one at a time. The resources of a kind,
 * sorted by id, lie in chunks: each holds the ids from its `first` up to the next one's, and is
 * named by the SHA-256 of its text. A manifest lists them in order. So a change makes a new chunk
 * of the one that it falls into, and the others stay what and where they are.
 */

export interface Chunk {
  readonly resource: ResourceName
  /** Its first id, in the order of code units, which for ids (ASCII) is Postgres's "C" as well. */
  readonly first: string
  readonly count: number
  /** SHA-256 of its text in UTF-8, lower-case hex. */
  readonly hash: string
}

export interface Manifest {
  readonly head: Head
  /** Of the specs in all its chunks. */
  readonly schema: number
  readonly chunks: readonly Chunk[]
}

/** Three bytes a character at most: under the 1 MB of one message, whatever compression makes. */
export const CHUNK_CHARS = 256 * 1024
export const CHUNK_RESOURCES = 1_000
const FORMAT = 1
const HASH_FORM = /^[0-9a-f]{64}$/

export function encodeManifest({ head, schema, chunks }: Manifest): string {
  const rows = chunks.map(({ resource, first, count, hash }) => [resource, first, count, hash])
  return JSON.stringify({ manifest: FORMAT, schema, head, chunks: rows })
}

/** Reads encodeManifest()'s text back. Refuses what is out of order: an id has one place. */
export function decodeManifest(text: string): Result<Manifest, string> {
  const data = parse(text) as Partial<Record<string, unknown>> | null | undefined
  if (data?.['manifest'] !== FORMAT) return err('not a manifest of this format')
  const { head, schema, chunks: rows } = data
  if (!isHead(head)) return err('no head')
  if (!Number.isSafeInteger(schema) || Number(schema) < 1 || Number(schema) > EVENT_SCHEMA) {
    return err(`schema ${String(schema)}, this version reads ${EVENT_SCHEMA}`)
  }
  if (!Array.isArray(rows)) return err('no chunks')
  const chunks: Chunk[] = []
  for (const row of rows as readonly unknown[]) {
    const chunk = readChunkRow(row)
    if (!chunk || !follows(chunks.at(-1), chunk)) return err(`chunk ${chunks.length} is not one`)
    chunks.push(chunk)
  }
  return ok({ head, schema: Number(schema), chunks })
}

function readChunkRow(row: unknown): Chunk | undefined {
  if (!Array.isArray(row)) return undefined
  const [resource, first, count, hash] = row as readonly unknown[]
  if (!RESOURCES.includes(resource as ResourceName) || typeof first !== 'string') return undefined
  if (!Number.isSafeInteger(count) || Number(count) < 1) return undefined
  if (typeof hash !== 'string' || !HASH_FORM.test(hash)) return undefined
  return { resource: resource as ResourceName, first, count: Number(count), hash }
}

function follows(before: Chunk | undefined, { resource, first }: Chunk): boolean {
  if (!before) return true
  if (before.resource === resource) return before.first < first
  return RESOURCES.indexOf(before.resource) < RESOURCES.indexOf(resource)
}

/** One piece of a kind, before it has its name. */
export interface Piece {
  readonly first: string
  readonly count: number
  readonly text: string
}

/**
 * Resources of one kind, sorted by id, in as few pieces of about the same size as the limits
 * allow; so each has room for more, and one that grows does not leave a crumb behind.
 */
export function cutPieces(resources: readonly Resource[]): readonly Piece[] {
  const texts = resources.map((resource) => JSON.stringify(resource))
  const chars = texts.reduce((sum, { length }) => sum + length + 1, 0)
  const parts = Math.max(Math.ceil(chars / CHUNK_CHARS), Math.ceil(texts.length / CHUNK_RESOURCES))
  const room = { chars: chars / parts, count: Math.ceil(texts.length / parts) }
  const pieces: Piece[] = []
  let start = 0
  let filled = 0
  for (const [index, text] of texts.entries()) {
    const count = index - start
    const full = filled + text.length > CHUNK_CHARS || filled >= room.chars || count >= room.count
    if (count > 0 && full) {
      pieces.push(pieceOf(resources, texts, { start, end: index }))
      start = index
      filled = 0
    }
    filled += text.length + 1
  }
  if (start < texts.length) pieces.push(pieceOf(resources, texts, { start, end: texts.length }))
  return pieces
}

function pieceOf(
  resources: readonly Resource[],
  texts: readonly string[],
  { start, end }: { readonly start: number; readonly end: number },
): Piece {
  const first = resources[start]?.id ?? ''
  return { first, count: end - start, text: `[${texts.slice(start, end).join(',')}]` }
}

/** The resources of a chunk, as the present version writes them; of its text, or what it holds. */
export function decodeChunk(
  text: string | readonly unknown[] | undefined,
  { resource, first, count }: Chunk,
  schema: number,
): Result<readonly Resource[], string> {
  const list = typeof text === 'string' ? parse(text) : text
  if (!Array.isArray(list) || list.length !== count) return err('not as many resources as it says')
  const resources = list as Resource[]
  if (resources[0]?.id !== first) return err('it begins with another id than it says')
  if (!isInOrder(resources)) return err('its ids are not in order')
  if (schema === EVENT_SCHEMA) return ok(resources)
  try {
    return ok(resources.map((one) => ({ ...one, spec: upcastSpec(resource, one.spec, schema) })))
  } catch (error) {
    return err(error instanceof Error ? error.message : 'cannot be read')
  }
}

function isInOrder(resources: readonly (Resource | null)[]): boolean {
  let before = ''
  for (const resource of resources) {
    const id = resource?.id
    if (typeof id !== 'string' || !(before < id)) return false
    before = id
  }
  return true
}

/** Which of a kind's chunks an id belongs into; -1 where there is none yet. */
export function chunkIndex(chunks: readonly Pick<Chunk, 'first'>[], id: string): number {
  let low = 0
  let high = chunks.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((chunks[middle]?.first ?? '') <= id) low = middle + 1
    else high = middle
  }
  // What comes before the first one belongs to it as well.
  return chunks.length === 0 ? -1 : Math.max(0, low - 1)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
