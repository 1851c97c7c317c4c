/** A map of more is shared: to copy it with each revision costs a follower more than all else. */
const COPIED_MAX = 128
/** Changes that are laid over a map before it is copied: more cost each write, fewer each copy. */
export const LAYER_MAX = 1_024

/**
 * The map with these members set, or deleted where the value is null. The given one stays as it is;
 * a small one is copied, a large one shared.
 */
export function withChanges<Value>(
  map: ReadonlyMap<string, Value>,
  changes: ReadonlyMap<string, Value | null>,
): ReadonlyMap<string, Value> {
  if (map.size > COPIED_MAX) return LayeredMap.of(map).with(changes)
  const copy = new Map(map)
  for (const [key, value] of changes) {
    if (value === null) copy.delete(key)
    else copy.set(key, value)
  }
  return copy
}

/** A map that takes a full layer in by itself, where a copy of it would be too large. */
export interface Base<Value> extends ReadonlyMap<string, Value> {
  /** With these changes (undefined: deleted), which leave it with so many members. */
  absorb(layer: ReadonlyMap<string, Value | undefined>, size: number): Base<Value>
  /** Keys under which it differs from another one; undefined where the two share nothing. */
  changedFrom(other: ReadonlyMap<string, Value>): Iterable<string> | undefined
}

function isBase<Value>(map: ReadonlyMap<string, Value>): map is Base<Value> {
  return 'absorb' in map && 'changedFrom' in map
}

/**
 * A map that shares what it does not change with the one it came from, so that a snapshot of a
 * million resources costs one write what it changes. Immutable: with() answers a new one. Reads see
 * one layer of changes over a base; once that layer is full (or a quarter of the base) the two are
 * copied into a new base. Iterates in the order of insertion, changed members in their old place.
 */
export class LayeredMap<Value> implements ReadonlyMap<string, Value> {
  readonly #base: ReadonlyMap<string, Value>
  /** undefined: deleted. */
  readonly #layer: ReadonlyMap<string, Value | undefined>
  readonly size: number

  private constructor(
    base: ReadonlyMap<string, Value>,
    layer: ReadonlyMap<string, Value | undefined>,
    size: number,
  ) {
    this.#base = base
    this.#layer = layer
    this.size = size
  }

  static of<Value>(map: ReadonlyMap<string, Value>): LayeredMap<Value> {
    return map instanceof LayeredMap ? map : new LayeredMap(map, new Map(), map.size)
  }

  /** What the changes lie over. */
  get base(): ReadonlyMap<string, Value> {
    return this.#base
  }

  /** Keys that may differ from an earlier map's; undefined where that is no ancestor. */
  changedFrom(other: ReadonlyMap<string, Value>): ReadonlySet<string> | undefined {
    const before = LayeredMap.of(other)
    const [base, was] = [this.#base, before.#base]
    const below = base === was ? [] : isBase(base) ? base.changedFrom(was) : undefined
    if (!below) return undefined
    const layers = [...before.#layer.keys(), ...this.#layer.keys()]
    // Over one base, what both layers say alike is the same; else the base may say otherwise.
    const differs = (key: string) => base !== was || !this.#saysAs(before, key)
    return new Set([...below, ...layers.filter(differs)])
  }

  /** The map with these members set, or deleted where the value is null. */
  with(changes: ReadonlyMap<string, Value | null>): LayeredMap<Value> {
    const layer = new Map(this.#layer)
    let { size } = this
    for (const [key, value] of changes) {
      size += Number(value !== null) - Number(this.has(key))
      if (value !== null) layer.set(key, value)
      else if (this.#base.has(key)) layer.set(key, undefined)
      else layer.delete(key)
    }
    if (layer.size <= Math.min(LAYER_MAX, this.#base.size / 4)) {
      return new LayeredMap(this.#base, layer, size)
    }
    const base = isBase(this.#base)
      ? this.#base.absorb(layer, size)
      : new Map(new LayeredMap(this.#base, layer, size))
    return new LayeredMap(base, new Map(), base.size)
  }

  #saysAs(other: LayeredMap<Value>, key: string): boolean {
    if (this.#layer.has(key) !== other.#layer.has(key)) return false
    return this.#layer.get(key) === other.#layer.get(key)
  }

  get(key: string): Value | undefined {
    return this.#layer.has(key) ? this.#layer.get(key) : this.#base.get(key)
  }

  has(key: string): boolean {
    return this.#layer.has(key) ? this.#layer.get(key) !== undefined : this.#base.has(key)
  }

  *entries(): MapIterator<[string, Value]> {
    for (const [key, value] of this.#base) {
      if (!this.#layer.has(key)) yield [key, value]
      else {
        const changed = this.#layer.get(key)
        if (changed !== undefined) yield [key, changed]
      }
    }
    for (const [key, value] of this.#layer) {
      if (value !== undefined && !this.#base.has(key)) yield [key, value]
    }
  }

  *keys(): MapIterator<string> {
    for (const [key] of this.entries()) yield key
  }

  *values(): MapIterator<Value> {
    for (const [, value] of this.entries()) yield value
  }

  forEach(call: (value: Value, key: string, map: ReadonlyMap<string, Value>) => void): void {
    for (const [key, value] of this.entries()) call(value, key, this)
  }

  [Symbol.iterator](): MapIterator<[string, Value]> {
    return this.entries()
  }

  get [Symbol.toStringTag](): string {
    return 'LayeredMap'
  }
}
