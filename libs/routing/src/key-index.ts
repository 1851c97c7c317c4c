import { type PackedPiece, withChanges } from '@signalbox/model'
import { HASH_BYTES, HASH_CHARS, KeyRows, NAME_CHARS } from './key-rows.ts'
import { type CompiledKey, type CompiledKeys } from './keys.ts'

/** Slots for each row, at least: few are passed before one is found, or an empty one. */
const SLOTS_PER_ROW = 1.5
const SLOTS_MIN = 16

/** What a change leaves: false where it took the hash away. */
type Changed = CompiledKey | false

/**
 * Keys of packed pieces by their hashes: an open-addressing table over the rows that were noted
 * while the pieces were read, and what has changed since in a map over it. Immutable: with()
 * answers a new one. A look-up that finds nothing allocates nothing.
 */
export class KeyIndex implements CompiledKeys {
  readonly #rows: Rows
  readonly #changed: ReadonlyMap<string, Changed>
  /** What is in #changed, by key. */
  readonly #namesOf: ReadonlyMap<string, readonly string[]>

  private constructor(
    rows: Rows,
    changed: ReadonlyMap<string, Changed>,
    namesOf: ReadonlyMap<string, readonly string[]>,
  ) {
    this.#rows = rows
    this.#changed = changed
    this.#namesOf = namesOf
  }

  /** undefined where one of the pieces was not noted as a piece of keys. */
  static of(pieces: readonly PackedPiece[]): KeyIndex | undefined {
    const all = pieces.map(({ digest }) => digest).filter((digest) => digest instanceof KeyRows)
    if (all.length !== pieces.length) return undefined
    return new KeyIndex(new Rows(all), new Map(), new Map())
  }

  /** These keys, by id, are now found under these hashes and no others. */
  with(changes: ReadonlyMap<string, ReadonlyMap<string, CompiledKey>>): KeyIndex {
    const changed = new Map<string, Changed>()
    const namesOf = new Map<string, readonly string[]>()
    for (const id of changes.keys()) {
      const former = [...this.#rows.namesOf(id), ...(this.#namesOf.get(id) ?? [])]
      for (const name of former) changed.set(name, false)
    }
    for (const [id, now] of changes) {
      for (const [hash, key] of now) changed.set(nameOf(hash), key)
      namesOf.set(id, [...now.keys()].map(nameOf))
    }
    return new KeyIndex(
      this.#rows,
      withChanges(this.#changed, changed),
      withChanges(this.#namesOf, namesOf),
    )
  }

  get(hash: string): CompiledKey | undefined {
    if (hash.length !== HASH_CHARS) return undefined
    const changed = this.#changed.size > 0 ? this.#changed.get(nameOf(hash)) : undefined
    if (changed !== undefined) return changed === false ? undefined : changed
    return this.#rows.get(hash)
  }

  *values(): Generator<CompiledKey> {
    for (const [name, key] of this.#rows.entries()) if (!this.#changed.has(name)) yield key
    for (const key of this.#changed.values()) if (key !== false) yield key
  }
}

function nameOf(hash: string): string {
  return hash.slice(0, NAME_CHARS)
}

/** The rows of all pieces, by hash. */
class Rows {
  readonly #pieces: readonly KeyRows[]
  /** The number of each piece's first row. */
  readonly #firstRows: Uint32Array
  /** Number of a row, from 1; 0: empty. */
  readonly #slots: Uint32Array
  readonly #mask: number

  constructor(pieces: readonly KeyRows[]) {
    this.#pieces = pieces
    this.#firstRows = new Uint32Array(pieces.length)
    const rows = pieces.reduce((sum, piece) => sum + piece.rows, 0)
    let slots = SLOTS_MIN
    while (slots < rows * SLOTS_PER_ROW) slots *= 2
    this.#mask = slots - 1
    this.#slots = new Uint32Array(slots)
    let number = 0
    for (const [index, { rows: count, hashes }] of pieces.entries()) {
      this.#firstRows[index] = number
      for (let row = 0; row < count; row++) this.#insert(wordOf(hashes, row), ++number)
    }
  }

  get(hash: string): CompiledKey | undefined {
    let slot = Number.parseInt(hash.slice(0, 8), 16) & this.#mask
    for (let number = this.#slots[slot]; number; number = this.#slots[slot]) {
      const index = this.#pieceOf(number - 1)
      const piece = this.#pieces[index]
      const row = number - 1 - (this.#firstRows[index] ?? 0)
      if (piece && isHash(piece.hashes, row, hash)) return piece.at(row)
      slot = (slot + 1) & this.#mask
    }
    return undefined
  }

  namesOf(id: string): readonly string[] {
    let low = 0
    let high = this.#pieces.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#pieces[middle]?.first ?? '') <= id) low = middle + 1
      else high = middle
    }
    return this.#pieces[low - 1]?.namesOf(id) ?? []
  }

  *entries(): Generator<[string, CompiledKey]> {
    for (const piece of this.#pieces) {
      for (let row = 0; row < piece.rows; row++) yield [piece.nameAt(row), piece.at(row)]
    }
  }

  #insert(word: number, number: number): void {
    let slot = word & this.#mask
    while (this.#slots[slot] !== 0) slot = (slot + 1) & this.#mask
    this.#slots[slot] = number
  }

  #pieceOf(row: number): number {
    let low = 0
    let high = this.#firstRows.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#firstRows[middle] ?? 0) <= row) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}

/** The first four bytes of a row's hash, which is as good as random. */
function wordOf(hashes: Uint8Array, row: number): number {
  const at = row * HASH_BYTES
  const [a = 0, b = 0, c = 0, d = 0] = [hashes[at], hashes[at + 1], hashes[at + 2], hashes[at + 3]]
  return (a << 24) | (b << 16) | (c << 8) | d
}

function isHash(hashes: Uint8Array, row: number, hash: string): boolean {
  const at = row * HASH_BYTES
  for (let index = 0; index < HASH_BYTES; index++) {
    const byte = (digit(hash, 2 * index) << 4) | digit(hash, 2 * index + 1)
    if (hashes[at + index] !== byte) return false
  }
  return true
}

const ZERO = 0x30
const NINE = 0x39
const LETTERS = 0x61 - 10

/** Of lower-case hex; of anything else a number that is no digit, or another's: no hash has it. */
function digit(hash: string, at: number): number {
  const code = hash.charCodeAt(at)
  return code <= NINE ? code - ZERO : code - LETTERS
}
