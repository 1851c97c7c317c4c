import { setImmediate } from 'node:timers/promises'
import {
  type Chunk,
  decodeChunk,
  err,
  type Manifest,
  ok,
  type Resource,
  type ResourceName,
  type Result,
  type Snapshot,
  snapshotFrom,
} from '@signalbox/model'
import { unpackChunk } from './pack.ts'

/** Where chunks lie. */
export interface ChunkSource {
  readonly name: string
  /** A chunk's data; null where there is none. May reject: then it has none now. */
  chunk(hash: string): Promise<Uint8Array | null>
}

/** Chunks that are asked for before they are needed: what hides the way to a source and back. */
const AHEAD = 8
/** A text of so many characters is parsed in a millisecond or two: others may have their turn. */
const LONG_CHARS = 32 * 1024

/**
 * The snapshot that a manifest lists, read piece by piece. A chunk that one source has not, or has
 * damaged, is taken from the next; where none has it, the sentence says of each why.
 */
export async function readSnapshot(
  { head, schema, chunks }: Manifest,
  sources: readonly ChunkSource[],
): Promise<Result<Snapshot, string>> {
  const collections = new Map<ResourceName, Map<string, Resource>>()
  const coming: Promise<Result<string, string>>[] = []
  for (const [index, chunk] of chunks.entries()) {
    while (coming.length < Math.min(AHEAD, chunks.length - index)) {
      const next = chunks[index + coming.length]
      if (next) coming.push(textOf(next, sources))
    }
    const text = await coming.shift()
    if (!text?.ok) return err(text?.error ?? 'no chunk')
    const decoded = decodeChunk(text.value, chunk, schema)
    if (!decoded.ok) return err(`${nameOf(chunk)}: ${decoded.error}`)
    const all = collections.get(chunk.resource) ?? new Map<string, Resource>()
    collections.set(chunk.resource, all)
    for (const resource of decoded.value) all.set(resource.id, resource)
    if (!endsBefore(decoded.value, chunk, chunks[index + 1])) {
      return err(`${nameOf(chunk)}: it reaches into the next one`)
    }
    if (text.value.length > LONG_CHARS) await setImmediate()
  }
  return ok(snapshotFrom(head, (name) => collections.get(name) ?? new Map()))
}

/** So that no id is in two chunks. */
function endsBefore(
  resources: readonly Resource[],
  { resource }: Chunk,
  next: Chunk | undefined,
): boolean {
  return next?.resource !== resource || (resources.at(-1)?.id ?? '') < next.first
}

/** The text of one chunk, from the first source that has it whole. */
export async function textOf(
  chunk: Chunk,
  sources: readonly ChunkSource[],
): Promise<Result<string, string>> {
  const reasons: string[] = []
  for (const source of sources) {
    const data = await source.chunk(chunk.hash).catch(messageOf)
    if (data === null) reasons.push(`${source.name} does not have it`)
    else if (typeof data === 'string') reasons.push(`${source.name}: ${data}`)
    else {
      const text = await unpackChunk({ hash: chunk.hash, data })
      if (text.ok) return text
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
