import { keyIdIn, kmsOf, type MasterKeys, openSealed, wrappingKeyOf } from '@signalbox/host'
import { dataKeyOf } from '@signalbox/model'
import { type SealedRow, type Store } from '@signalbox/store'

/** Of one revision of a rewrap. */
const REWRAP_COUNT_MAX = 500
/** Read at a time. */
const PAGE = 500
const NAMED_MAX = 20
const HOLDERS = ['secret', 'backend'] as const

/** How much is sealed under one master key, or under data keys that it wraps. */
export interface KeyUse {
  /** Null: the text names no key that is here, or its data key is lost. */
  readonly key: string | null
  readonly state: 'current' | 'previous' | 'missing'
  readonly secrets: number
  readonly backends: number
}

export interface SealedStatus {
  /** The id of the key that wraps now, and of those that only open. */
  readonly key: string
  readonly previousKeys: readonly string[]
  readonly keys: readonly KeyUse[]
  /** What a rewrap would bring under the key of now, or give a data key of its own. */
  readonly remaining: number
  /** What no key here opens, by name: twenty at most. */
  readonly missing: readonly string[]
}

/** What was found, and what of it a rewrap is to begin with. */
export interface Survey {
  readonly batch: readonly SealedRow[]
  /** As it is once these, by `resource/id`, are under the key of now. */
  statusAfter(done: ReadonlySet<string>): SealedStatus
}

type Key = string | null

/** Looks at all that is sealed in the state, a page at a time. */
export async function survey(
  store: Pick<Store, 'sealed'>,
  config: MasterKeys & { readonly fleet: string },
): Promise<Survey> {
  const { keyId: current, keyIds } = kmsOf(config)
  const previousKeys = keyIds.slice(1)
  const counts = new Map<Key, { secret: number; backend: number }>()
  for (const id of keyIds) counts.set(id, { secret: 0, backend: 0 })
  const batch: SealedRow[] = []
  const keys = new Map<string, Key>()
  const missing: string[] = []
  let remaining = 0
  for await (const row of allSealed(store)) {
    const key = keyOf(row, config)
    const count = counts.get(key) ?? { secret: 0, backend: 0 }
    count[row.resource]++
    counts.set(key, count)
    if (key === null || !keyIds.includes(key)) {
      if (missing.length < NAMED_MAX) missing.push(nameOf(row))
    } else if (key !== current || dataKeyOf(row.sealed) === undefined) {
      remaining++
      if (batch.length === REWRAP_COUNT_MAX) continue
      batch.push(row)
      keys.set(nameOf(row), key)
    }
  }
  const stateOf = (key: Key): KeyUse['state'] => {
    if (key === current) return 'current'
    return key !== null && previousKeys.includes(key) ? 'previous' : 'missing'
  }
  return {
    batch,
    statusAfter: (done) => {
      const moved = batch.filter((row) => done.has(nameOf(row)))
      const of = (key: Key, resource: SealedRow['resource']) => {
        const mine = moved.filter((row) => row.resource === resource)
        const left = mine.filter((row) => keys.get(nameOf(row)) === key).length
        return (counts.get(key)?.[resource] ?? 0) - left + (key === current ? mine.length : 0)
      }
      return {
        key: current,
        previousKeys,
        keys: [...counts.keys()].map((key) => {
          const uses = { secrets: of(key, 'secret'), backends: of(key, 'backend') }
          return { key, state: stateOf(key), ...uses }
        }),
        remaining: remaining - moved.length,
        missing,
      }
    },
  }
}

async function* allSealed(store: Pick<Store, 'sealed'>): AsyncGenerator<SealedRow> {
  for (const resource of HOLDERS) {
    for (let after = ''; ;) {
      const page = await store.sealed({ resource, after, limit: PAGE })
      yield* page
      const last = page.at(-1)
      if (!last || page.length < PAGE) break
      after = last.id
    }
  }
}

/** The master key that opens it, or would; text of the first form names none, and is tried. */
function keyOf(row: SealedRow, config: MasterKeys & { readonly fleet: string }): Key {
  const { sealed, wrapped } = row
  if (dataKeyOf(sealed) !== undefined) return wrapped === null ? null : wrappingKeyOf(wrapped)
  return keyIdIn(sealed) ?? openSealed(sealed, config, `${config.fleet}/${nameOf(row)}`).keyId
}

function nameOf({ resource, id }: Pick<SealedRow, 'resource' | 'id'>): string {
  return `${resource}/${id}`
}
