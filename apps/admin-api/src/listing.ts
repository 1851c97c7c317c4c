import { collection, type Resource, type ResourceName, type Snapshot } from '@signalbox/model'
import { presentResource } from './masking.ts'
import { wrongParameter } from './request.ts'

export interface ListQuery {
  readonly limit: number
  readonly cursor: string | undefined
  readonly label: string | undefined
  readonly kind: string | undefined
  readonly q: string | undefined
}

/** Where the next page starts: behind this id, in the state of this revision. */
interface Cursor {
  readonly revision: number
  readonly after: string
}

/** Pages of one list all show the state of the revision that the first one showed. */
export function readCursor(text: string | undefined): Cursor | undefined {
  if (text === undefined) return undefined
  try {
    const value = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as Partial<Cursor>
    const { revision, after } = value
    const isRevision = Number.isSafeInteger(revision) && Number(revision) >= 0
    if (isRevision && typeof after === 'string') return value as Cursor
  } catch {
    // refused below
  }
  throw wrongParameter('cursor', 'expected the nextCursor of an earlier page')
}

/** One page, sorted by id. */
export function listPage(snapshot: Snapshot, name: ResourceName, query: ListQuery) {
  const { limit } = query
  const after = readCursor(query.cursor)?.after ?? ''
  const keep = filterOf(query)
  const found = [...collection(snapshot, name).values()]
    .filter((resource) => resource.id > after && keep(resource))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
  const page = found.slice(0, limit)
  const last = page.at(-1)
  const { revision } = snapshot.head
  const more = found.length > page.length && last
  const nextCursor = more
    ? Buffer.from(JSON.stringify({ revision, after: last.id })).toString('base64url')
    : null
  return { items: page.map(presentResource), nextCursor, revision }
}

function filterOf({ label, kind, q }: ListQuery): (resource: Resource) => boolean {
  const [name = '', wanted] = (label ?? '').split(/[=:](.*)/s)
  return ({ id, spec }) => {
    if (q !== undefined && !id.toLowerCase().includes(q.toLowerCase())) return false
    if (kind !== undefined && !('kind' in spec && spec.kind === kind)) return false
    if (label === undefined) return true
    const labels: Readonly<Record<string, string>> = 'labels' in spec ? spec.labels : {}
    return Object.hasOwn(labels, name) && (wanted === undefined || labels[name] === wanted)
  }
}
