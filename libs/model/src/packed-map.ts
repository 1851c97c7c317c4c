import { chunkIndex } from './chunks.ts'
import { type Base } from './layered-map.ts'
import { type Resource } from './resource.ts'

/*
 * A million resources as objects are a gigabyte; as the compressed text in which they came they are
 * fifty megabytes. So where nobody looks at most of them one by one, they stay in the pieces that
 * the snapshot came in, and a piece is read when one of its resources is asked for. What somebody
 * needs to look things up in all of them (the hash of a key) is noted while a piece is read for
 * the first time: its digest.
 */

/** What was noted of a piece; of every kind this much. Its ids are in order. */
export interface Digest {
  readonly first: string
  readonly last: string
  readonly count: number
  has(id: string): boolean
}

/** Sorted resources of one kind, packed. Immutable, and named by the hash of its text. */
export interface PackedPiece {
  readonly first: string
  readonly count: number
  readonly hash: string
  readonly data: Uint8Array
  /** null: nobody wanted one. */
  readonly digest: Digest | null
}

/** Reads a piece's resources. Throws where it cannot: it was read before, so that is a bug. */
export type Unpack = (piece: PackedPiece) => readonly Resource[]

type Over = ReadonlyMap<string, Resource | null>

const NOTHING: Over = new Map()

/**
 * The resources of a kind in packed pieces, sorted by id, and what has changed since they were
 * made: a base for a LayeredMap. Immutable. Iterates in the order of ids, what is new at the end.
 */
export class PackedMap implements Base<Resource> {
  readonly pieces: readonly PackedPiece[]
  /** What has changed since; null: deleted. */
  readonly over: Over
  readonly size: number
  readonly #unpack: (piece: PackedPiece) => ReadonlyMap<string, Resource>

  private constructor(
    { pieces, unpack }: Packed,
    { over, size }: { readonly over: Over; readonly size: number },
  ) {
    this.pieces = pieces
    this.#unpack = unpack
    this.over = over
    this.size = size
  }

  /** Pieces in the order of their ids, of which none has an id of another. */
  static of(pieces: readonly PackedPiece[], unpack: Unpack): PackedMap {
    const packed = { pieces, unpack: rememberOne(unpack) }
    return new PackedMap(packed, { over: NOTHING, size: sizeOf(pieces) })
  }

  absorb(layer: ReadonlyMap<string, Resource | undefined>, size: number): PackedMap {
    const over = new Map(this.over)
    for (const [id, value = null] of layer) over.set(id, value)
    return new PackedMap({ pieces: this.pieces, unpack: this.#unpack }, { over, size })
  }

  changedFrom(other: ReadonlyMap<string, Resource>): Iterable<string> | undefined {
    if (!(other instanceof PackedMap) || other.pieces !== this.pieces) return undefined
    const ids = new Set([...this.over.keys(), ...other.over.keys()])
    return [...ids].filter((id) => this.over.get(id) !== other.over.get(id))
  }

  get(id: string): Resource | undefined {
    const changed = this.over.get(id)
    if (changed !== undefined) return changed ?? undefined
    const piece = this.pieces[chunkIndex(this.pieces, id)]
    if (!piece || piece.digest?.has(id) === false) return undefined
    return this.#unpack(piece).get(id)
  }

  has(id: string): boolean {
    const changed = this.over.get(id)
    if (changed !== undefined) return changed !== null
    const piece = this.pieces[chunkIndex(this.pieces, id)]
    return piece?.digest ? piece.digest.has(id) : this.get(id) !== undefined
  }

  /** The resources of a piece as it was made. */
  read(piece: PackedPiece): ReadonlyMap<string, Resource> {
    return this.#unpack(piece)
  }

  /** As it was before anything was changed. */
  get pristine(): PackedMap {
    const size = sizeOf(this.pieces)
    return new PackedMap({ pieces: this.pieces, unpack: this.#unpack }, { over: NOTHING, size })
  }

  *entries(): MapIterator<[string, Resource]> {
    const seen = new Set<string>()
    for (const piece of this.pieces) {
      for (const [id, resource] of this.#unpack(piece)) {
        const changed = this.over.get(id)
        if (changed === undefined) yield [id, resource]
        else {
          seen.add(id)
          if (changed) yield [id, changed]
        }
      }
    }
    for (const [id, value] of this.over) if (value && !seen.has(id)) yield [id, value]
  }

  *keys(): MapIterator<string> {
    for (const [id] of this.entries()) yield id
  }

  *values(): MapIterator<Resource> {
    for (const [, value] of this.entries()) yield value
  }

  forEach(call: (value: Resource, key: string, map: ReadonlyMap<string, Resource>) => void): void {
    for (const [key, value] of this.entries()) call(value, key, this)
  }

  [Symbol.iterator](): MapIterator<[string, Resource]> {
    return this.entries()
  }

  get [Symbol.toStringTag](): string {
    return 'PackedMap'
  }
}

interface Packed {
  readonly pieces: readonly PackedPiece[]
  readonly unpack: (piece: PackedPiece) => ReadonlyMap<string, Resource>
}

/** Neighbours are asked for together: the last piece that was read is kept as it was read. */
function rememberOne(unpack: Unpack): Packed['unpack'] {
  let last: PackedPiece | undefined
  let read: ReadonlyMap<string, Resource> = new Map()
  return (piece) => {
    if (piece === last) return read
    read = new Map(unpack(piece).map((resource) => [resource.id, resource]))
    last = piece
    return read
  }
}

function sizeOf(pieces: readonly PackedPiece[]): number {
  return pieces.reduce((sum, { count }) => sum + count, 0)
}
