import { type Budget, isLimited, type KeySpec, type Limits, type Snapshot } from '@signalbox/model'
import { type CompiledRoute } from './table.ts'
import { utcSeconds } from './utc-seconds.ts'

/** A client key as a proxy looks it up. */
export interface CompiledKey {
  readonly id: string
  /** Seconds since the epoch at which it ends; Infinity: never. */
  readonly endsS: number
  /** Null: every route. */
  readonly routes: ReadonlySet<string> | null
  /** Null: it has none. */
  readonly limits: Limits | null
  readonly budget: Budget | null
}

/** By the SHA-256 of the token, lower-case hex. */
export type CompiledKeys = ReadonlyMap<string, CompiledKey>

/** The keys that are enabled; during a rotation under both of their hashes. */
export function compileKeys({ keys }: Snapshot): CompiledKeys {
  const compiled = new Map<string, CompiledKey>()
  for (const [id, { spec }] of keys) {
    if (!spec.enabled) continue
    const limits = isLimited(spec.limits) ? spec.limits : null
    const key = {
      id,
      endsS: endOf(spec.expiresAt),
      routes: routesOf(spec),
      limits,
      budget: spec.budget ?? null,
    }
    if (spec.previous) {
      const endsS = Math.min(key.endsS, endOf(spec.previous.until))
      compiled.set(spec.previous.hash, { ...key, endsS })
    }
    compiled.set(spec.hash, key)
  }
  return compiled
}

function endOf(time: string | undefined): number {
  return time === undefined ? Infinity : utcSeconds(time)
}

function routesOf({ routes }: KeySpec): ReadonlySet<string> | null {
  return routes.includes('*') ? null : new Set(routes)
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
