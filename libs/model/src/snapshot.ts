import { EVENT_SCHEMA, type Head, GENESIS_HASH } from './event.ts'
import {
  DEFINITIONS,
  type PluralOf,
  type Resource,
  type ResourceName,
  RESOURCES,
} from './resource.ts'
import { err, ok, type Result } from './result.ts'
import { upcastSpec } from './upcast.ts'

type Collections = {
  readonly [Name in ResourceName as PluralOf<Name>]: ReadonlyMap<string, Resource<Name>>
}

/** All desired state at one revision. Immutable: project() answers a new one. */
export interface Snapshot extends Collections {
  readonly head: Head
}

export function emptySnapshot(lineage: string): Snapshot {
  const head = { lineage, epoch: 1, revision: 0, hash: GENESIS_HASH }
  return snapshotFrom(head, () => new Map())
}

/** A snapshot with these collections. */
export function snapshotFrom(
  head: Head,
  resources: (name: ResourceName) => ReadonlyMap<string, Resource>,
): Snapshot {
  const entries = RESOURCES.map((name) => [DEFINITIONS[name].plural, resources(name)])
  return { head, ...(Object.fromEntries(entries) as unknown as Collections) }
}

/** The resources of one kind. */
export function collection<Name extends ResourceName>(
  snapshot: Snapshot,
  name: Name,
): ReadonlyMap<string, Resource<Name>> {
  const all: ReadonlyMap<string, Resource> = snapshot[DEFINITIONS[name].plural]
  return all as ReadonlyMap<string, Resource<Name>>
}

const FORMAT = 4
/** The schema in which a kind first appeared; an older text has none of it. */
const SINCE: Partial<Record<ResourceName, number>> = { secret: 2, release: 3 }
/** Said no schema: that was the first. */
const FORMAT_OLDEST = 3
/** Resources of one piece. */
const PIECE = 1_000

/**
 * A snapshot as text, for the bus and the disk. Credentials in it are sealed, as they always are.
 */
export function encodeSnapshot(snapshot: Snapshot): string {
  return [...snapshotPieces(snapshot)].join('')
}

/** The same text in pieces, so that whoever makes a long one can do other things in between. */
export function* snapshotPieces(snapshot: Snapshot): Generator<string> {
  yield JSON.stringify({ format: FORMAT, schema: EVENT_SCHEMA, head: snapshot.head }).slice(0, -1)
  for (const name of RESOURCES) {
    const all = [...collection(snapshot, name).values()]
    yield `,${JSON.stringify(DEFINITIONS[name].plural)}:[`
    for (let first = 0; first < all.length; first += PIECE) {
      const piece = JSON.stringify(all.slice(first, first + PIECE)).slice(1, -1)
      yield first === 0 ? piece : `,${piece}`
    }
    yield ']'
  }
  yield '}'
}

/** Reads encodeSnapshot()'s text back. Refuses another format, a missing part, a duplicate id. */
export function decodeSnapshot(text: string): Result<Snapshot, string> {
  const data = parseObject(text)
  if (!data) return err('not a JSON object')
  const { format } = data
  if (format !== FORMAT && format !== FORMAT_OLDEST) {
    return err(`format ${String(format)}, expected ${FORMAT}`)
  }
  if (!isHead(data.head)) return err('no head')
  const schema = format === FORMAT_OLDEST ? 1 : data['schema']
  if (!isReadable(schema))
    return err(`schema ${String(schema)}, this version reads ${EVENT_SCHEMA}`)
  const listOf = (name: ResourceName) =>
    schema < (SINCE[name] ?? 1) ? [] : data[DEFINITIONS[name].plural]
  const read = new Map(RESOURCES.map((name) => [name, byId(listOf(name))]))
  const wrong = RESOURCES.find((name) => !read.get(name))
  if (wrong) return err(`${DEFINITIONS[wrong].plural} are missing or have a duplicate id`)
  return upcast(data.head, read, schema)
}

function isReadable(schema: unknown): schema is number {
  return Number.isSafeInteger(schema) && Number(schema) >= 1 && Number(schema) <= EVENT_SCHEMA
}

function upcast(
  head: Head,
  read: ReadonlyMap<ResourceName, Map<string, Resource> | undefined>,
  schema: number,
): Result<Snapshot, string> {
  try {
    for (const [name, all] of schema < EVENT_SCHEMA ? read : []) {
      for (const [id, one] of all ?? []) {
        all?.set(id, { ...one, spec: upcastSpec(name, one.spec, schema) })
      }
    }
  } catch (error) {
    return err(error instanceof Error ? error.message : 'cannot be read')
  }
  return ok(snapshotFrom(head, (name) => read.get(name) ?? new Map()))
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

/** Whether it has the shape of a head. */
export function isHead(value: unknown): value is Head {
  const head = value as Partial<Head> | null
  return (
    typeof head?.lineage === 'string' &&
    Number.isSafeInteger(head.epoch) &&
    Number.isSafeInteger(head.revision) &&
    typeof head.hash === 'string'
  )
}

function byId(list: unknown): Map<string, Resource> | undefined {
  if (!Array.isArray(list)) return undefined
  const map = new Map((list as Resource[]).map((resource) => [resource.id, resource]))
  return map.size === list.length ? map : undefined
}
