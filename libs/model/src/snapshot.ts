import { type Head, GENESIS_HASH } from './event.ts'
import { type Resource, type ResourceName } from './resource.ts'
import { err, ok, type Result } from './result.ts'

/** All desired state at one revision. Immutable: project() answers a new one. */
export interface Snapshot {
  readonly head: Head
  readonly backends: ReadonlyMap<string, Resource<'backend'>>
  readonly routes: ReadonlyMap<string, Resource<'route'>>
  readonly policies: ReadonlyMap<string, Resource<'policy'>>
}

export function emptySnapshot(lineage: string): Snapshot {
  const head = { lineage, epoch: 1, revision: 0, hash: GENESIS_HASH }
  return { head, backends: new Map(), routes: new Map(), policies: new Map() }
}

/** The resources of one kind. */
export function collection<Name extends ResourceName>(
  snapshot: Snapshot,
  name: Name,
): ReadonlyMap<string, Resource<Name>> {
  const all: { [N in ResourceName]: ReadonlyMap<string, Resource<N>> } = {
    backend: snapshot.backends,
    route: snapshot.routes,
    policy: snapshot.policies,
  }
  return all[name] as ReadonlyMap<string, Resource<Name>>
}

const FORMAT = 1

/**
 * A snapshot as text, for the bus and the disk. Credentials in it are sealed, as they always are.
 */
export function encodeSnapshot(snapshot: Snapshot): string {
  return JSON.stringify({
    format: FORMAT,
    head: snapshot.head,
    backends: [...snapshot.backends.values()],
    routes: [...snapshot.routes.values()],
    policies: [...snapshot.policies.values()],
  })
}

/** Reads encodeSnapshot()'s text back. Refuses another format, a missing part, a duplicate id. */
export function decodeSnapshot(text: string): Result<Snapshot, string> {
  const data = parseObject(text)
  if (!data) return err('not a JSON object')
  if (data.format !== FORMAT) return err(`format ${String(data.format)}, expected ${FORMAT}`)
  if (!isHead(data.head)) return err('no head')
  const backends = byId<'backend'>(data.backends)
  const routes = byId<'route'>(data.routes)
  const policies = byId<'policy'>(data.policies)
  if (!backends || !routes || !policies) return err('a collection is missing or has a duplicate id')
  return ok({ head: data.head, backends, routes, policies })
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

function isHead(value: unknown): value is Head {
  const head = value as Partial<Head> | null
  return (
    typeof head?.lineage === 'string' &&
    Number.isSafeInteger(head.epoch) &&
    Number.isSafeInteger(head.revision) &&
    typeof head.hash === 'string'
  )
}

function byId<Name extends ResourceName>(list: unknown): Map<string, Resource<Name>> | undefined {
  if (!Array.isArray(list)) return undefined
  const map = new Map((list as Resource<Name>[]).map((resource) => [resource.id, resource]))
  return map.size === list.length ? map : undefined
}
