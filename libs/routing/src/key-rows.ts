import { type Budget, type Digest, type Limits } from '@signalbox/model'

/** What many keys have in common. */
export interface KeyTerms {
  /** Null: every route. */
  readonly routes: ReadonlySet<string> | null
  /** Null: it has none. */
  readonly limits: Limits | null
  readonly budget: Budget | null
}

/** Of a SHA-256 of 256 random bits, 128 tell all apart, and nobody finds another such token. */
export const HASH_BYTES = 16
/** Of a whole SHA-256 in hex. */
export const HASH_CHARS = 64
/** In hex: what a hash is called by. */
export const NAME_CHARS = 2 * HASH_BYTES

/**
 * The keys of one piece of a snapshot, as a proxy looks them up: a row for each hash under which an
 * enabled key is known, in typed arrays. A row takes about 50 bytes, a parsed key 1,000.
 */
export class KeyRows implements Digest {
  readonly first: string
  readonly last: string
  readonly count: number
  /** Of all keys of the piece, one after the other. */
  readonly #ids: Uint8Array
  /** Where each ends. */
  readonly #idEnds: Uint32Array
  readonly rows: number
  readonly hashes: Uint8Array
  /** Which key a row is of; null: as many rows as keys, in their order. */
  readonly #keyOf: Uint32Array | null
  /** null: none ever ends. */
  readonly #endsS: Float64Array | null
  readonly #terms: KeyTerms | readonly KeyTerms[]

  constructor(noted: Noted) {
    const { ids, idEnds, hashes, rows } = noted
    this.#ids = ids
    this.#idEnds = Uint32Array.from(idEnds)
    this.count = idEnds.length
    this.rows = rows.length
    this.hashes = hashes
    const plain = rows.length === this.count && rows.every(({ key }, row) => key === row)
    this.#keyOf = plain ? null : Uint32Array.from(rows, ({ key }) => key)
    const ends = rows.some(({ endsS }) => endsS !== Infinity)
    this.#endsS = ends ? Float64Array.from(rows, ({ endsS }) => endsS) : null
    const [one] = rows
    const same = one && rows.every(({ terms }) => terms === one.terms)
    this.#terms = same ? one.terms : rows.map(({ terms }) => terms)
    this.first = this.count > 0 ? this.#idAt(0) : ''
    this.last = this.count > 0 ? this.#idAt(this.count - 1) : ''
  }

  has(id: string): boolean {
    return this.#keyNamed(id) >= 0
  }

  /** What the hashes of a key are called by. */
  namesOf(id: string): readonly string[] {
    const key = this.#keyNamed(id)
    if (key < 0) return []
    if (!this.#keyOf) return [this.nameAt(key)]
    const names: string[] = []
    let row = this.#keyOf.indexOf(key)
    for (; row >= 0; row = this.#keyOf.indexOf(key, row + 1)) names.push(this.nameAt(row))
    return names
  }

  nameAt(row: number): string {
    const bytes = this.hashes.subarray(row * HASH_BYTES, (row + 1) * HASH_BYTES)
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  }

  at(row: number) {
    const id = this.#idAt(this.#keyAt(row))
    const endsS = this.#endsS?.[row] ?? Infinity
    const terms = Array.isArray(this.#terms) ? this.#terms[row] : this.#terms
    const { routes, limits, budget } = terms as KeyTerms
    return { id, endsS, routes, limits, budget }
  }

  #keyAt(row: number): number {
    return this.#keyOf ? (this.#keyOf[row] ?? 0) : row
  }

  #idAt(key: number): string {
    const from = key === 0 ? 0 : (this.#idEnds[key - 1] ?? 0)
    return String.fromCharCode(...this.#ids.subarray(from, this.#idEnds[key]))
  }

  #keyNamed(id: string): number {
    let low = 0
    let high = this.count - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const found = this.#idAt(middle)
      if (found === id) return middle
      if (found < id) low = middle + 1
      else high = middle - 1
    }
    return -1
  }
}

interface Row {
  readonly key: number
  readonly endsS: number
  readonly terms: KeyTerms
}

export interface Noted {
  readonly ids: Uint8Array
  readonly idEnds: readonly number[]
  readonly hashes: Uint8Array
  readonly rows: readonly Row[]
}
