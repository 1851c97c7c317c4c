/** Where it lies in its bag; -1 in none. Only the bag writes it. */
export interface Placed {
  place: number
}

/**
 * What comes and goes with every request. Not a Set: one that has grown old gets a new old table
 * every few additions, and each dead one keeps what it last held, whole requests, from the young
 * collections: a busy proxy was five times as large as what lived in it. Here a place is written
 * over.
 */
export class Bag<Item extends Placed> {
  readonly #items: Item[] = []

  get size(): number {
    return this.#items.length
  }

  add(item: Item): void {
    item.place = this.#items.push(item) - 1
  }

  /** Nothing, where it is not in. */
  remove(item: Item): void {
    const { place } = item
    if (this.#items[place] !== item) return
    const last = this.#items.pop()
    item.place = -1
    if (last === undefined || last === item) return
    this.#items[place] = last
    last.place = place
  }

  /** The one at the first place, taken out. */
  take(): Item | undefined {
    const [first] = this.#items
    if (first) this.remove(first)
    return first
  }

  /** Those of now, however they come and go meanwhile. */
  all(): readonly Item[] {
    return [...this.#items]
  }
}
