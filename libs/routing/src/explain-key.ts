import { type Snapshot } from '@signalbox/model'
import { compileKeys, mayUse } from './keys.ts'
import { type CompiledRoute, type Table } from './table.ts'
import { utcSeconds } from './utc-seconds.ts'

/** Who would ask. */
export interface Who {
  /** The id of a client key; null: none is shown. */
  readonly key: string | null
  /** Seconds since the epoch, at which it is asked whether the key has ended. */
  readonly nowS: number
}

/** As the data plane's codes. */
export type KeyRefusal = 'missing_key' | 'invalid_key' | 'key_not_allowed'

/**
 * Whether and why the proxy would refuse the key, for a route that was asked for by this name. One
 * that is not there, is disabled or has ended is refused whatever the route.
 */
export function keyRefusal(
  model: string,
  route: CompiledRoute | undefined,
  asked: { readonly snapshot: Snapshot; readonly table: Table; readonly who?: Who | undefined },
): KeyRefusal | undefined {
  const { snapshot, table, who } = asked
  if (who === undefined) return undefined
  if (who.key === null) return table.blocking ? 'missing_key' : undefined
  const key = [...compileKeys(snapshot).values()].find(({ id }) => id === who.key)
  if (!key || who.nowS >= endOf(snapshot, who.key)) return 'invalid_key'
  return route && !mayUse(key, route, model) ? 'key_not_allowed' : undefined
}

/** Of the key, not of a token before a rotation. */
function endOf({ keys }: Snapshot, id: string): number {
  const expiresAt = keys.get(id)?.spec.expiresAt
  return expiresAt === undefined ? Infinity : utcSeconds(expiresAt)
}
