import { type KeySpec, LayeredMap, PackedMap, type Resource, type Snapshot } from '@signalbox/model'
import { endOf, keyTerms } from './key-digest.ts'
import { KeyIndex } from './key-index.ts'
import { type KeyTerms } from './key-rows.ts'
import { type CompiledRoute } from './table.ts'

/** A client key as a proxy looks it up. */
export interface CompiledKey extends KeyTerms {
  readonly id: string
  /** Seconds since the epoch at which it ends; Infinity: never. */
  readonly endsS: number
}

/** By the SHA-256 of the token, lower-case hex. */
export interface CompiledKeys {
  get(hash: string): CompiledKey | undefined
  values(): Iterable<CompiledKey>
}

/** Keys that were compiled, and what from. */
export interface FormerKeys {
  readonly keys: CompiledKeys
  readonly keysOf: Snapshot['keys']
}

/**
 * The keys that are enabled; during a rotation under both of their hashes. Packed ones are looked
 * up where they lie, and only what has changed since the former ones is compiled.
 */
export function compileKeys({ keys }: Snapshot, former?: FormerKeys): CompiledKeys {
  const layered = LayeredMap.of(keys)
  const { base } = layered
  // What LayeredMap keeps of a snapshot's resources are resources.
  const packed = base instanceof PackedMap ? base : undefined
  const ids = packed && former?.keys instanceof KeyIndex && layered.changedFrom(former.keysOf)
  if (ids && former.keys instanceof KeyIndex) return withKeys(former.keys, keys, ids)
  const index = packed && KeyIndex.of(packed.pieces)
  if (!packed || !index) return compileEach(keys)
  const pristine = packed.pristine as ReadonlyMap<string, Resource> as Snapshot['keys']
  return withKeys(index, keys, layered.changedFrom(pristine) ?? [])
}

function withKeys(index: KeyIndex, keys: Snapshot['keys'], ids: Iterable<string>): KeyIndex {
  const changes = new Map<string, ReadonlyMap<string, CompiledKey>>()
  for (const id of ids) {
    const compiled = new Map<string, CompiledKey>()
    const key = keys.get(id)
    if (key) compileInto(compiled, id, key.spec)
    changes.set(id, compiled)
  }
  return changes.size === 0 ? index : index.with(changes)
}

function compileEach(keys: Snapshot['keys']): CompiledKeys {
  const compiled = new Map<string, CompiledKey>()
  for (const [id, { spec }] of keys) compileInto(compiled, id, spec)
  return compiled
}

function compileInto(compiled: Map<string, CompiledKey>, id: string, spec: KeySpec): void {
  if (!spec.enabled) return
  const key = { id, endsS: endOf(spec.expiresAt), ...keyTerms(spec) }
  if (spec.previous) {
    const endsS = Math.min(key.endsS, endOf(spec.previous.until))
    compiled.set(spec.previous.hash, { ...key, endsS })
  }
  compiled.set(spec.hash, key)
}

/** The key of this hash, while it is good. */
export function findKey(keys: CompiledKeys, hash: string, nowS: number): CompiledKey | undefined {
  const key = keys.get(hash)
  return key && nowS < key.endsS ? key : undefined
}

/** Whether the key may use a route that was asked for by this name. */
export function mayUse({ routes }: CompiledKey, route: CompiledRoute, name: string): boolean {
  return routes === null || routes.has(route.id) || routes.has(name)
}
