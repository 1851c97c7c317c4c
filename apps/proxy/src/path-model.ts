// Where a dialect has the model in the path and not in the body, as Gemini's does.
import { type Operation, OPERATIONS } from '@signalbox/dialects'
import { type CompiledTarget } from '@signalbox/routing'
import { type BodyScan, scanBody } from './body-scan.ts'
import { type Live } from './live-backend.ts'
import { type Passage } from './passage.ts'

const MODEL = '{model}'

interface Pattern {
  readonly operation: Operation
  readonly head: string
  readonly tail: string
}

const PATTERNS: readonly Pattern[] = OPERATIONS.filter(({ model }) => model === 'path').map(
  (operation) => {
    const [head = '', tail = ''] = operation.path.split(MODEL)
    return { operation, head, tail }
  },
)

/** A model's name may hold slashes and colons; what stands behind it is fixed. */
export function operationWithModel(
  path: string,
): { readonly operations: readonly Operation[]; readonly pathModel: string } | undefined {
  const found = PATTERNS.find(({ head, tail }) => path.startsWith(head) && path.endsWith(tail))
  if (!found) return undefined
  const pathModel = decoded(path.slice(found.head.length, path.length - found.tail.length))
  return pathModel ? { operations: [found.operation], pathModel } : undefined
}

const ID = '{id}'
const SEGMENT = /^[A-Za-z0-9_.-]{1,512}$/
const KEPT: readonly Pattern[] = OPERATIONS.filter(({ path }) => path.includes(ID)).map(
  (operation) => {
    const [head = '', tail = ''] = operation.path.split(ID)
    return { operation, head, tail }
  },
)

/** What a backend keeps is named by one segment; several methods may take the same path. */
export function operationsWithId(
  path: string,
): { readonly operations: readonly Operation[]; readonly pathId: string } | undefined {
  const found = KEPT.filter(({ head, tail }) => {
    const id = path.slice(head.length, path.length - tail.length)
    return path.startsWith(head) && path.endsWith(tail) && SEGMENT.test(id)
  })
  const [first] = found
  if (!first) return undefined
  const pathId = path.slice(first.head.length, path.length - first.tail.length)
  return { operations: found.map(({ operation }) => operation), pathId }
}

/** A segment of a path as text; undefined where its escapes are none. */
export function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment)
  } catch {
    return undefined
  }
}

/** The body must be JSON here too, but what it says of a model or a stream counts for nothing. */
export function scanFor({ operation, pathModel }: Passage, body: Buffer): BodyScan {
  const scan = scanBody(body)
  if (!scan.ok) return scan
  if (operation.streams === 'by default') return { ...scan, stream: scan.plain !== true }
  if (pathModel === undefined) return scan
  return { ...scan, model: undefined, stream: operation.streams === 'always' }
}

/**
 * The path at a backend that serves the operation itself. Of the client's query only the form of
 * the stream goes on: a key in it is neither read nor shown to anybody.
 */
export function nativePath(
  passage: Passage,
  { live, target }: { readonly live: Live; readonly target: CompiledTarget },
): string | undefined {
  const { operation, request, ownId } = passage
  const path = live.paths.get(operation.path)
  if (operation.model === 'none') return path && path.replace(ID, ownId ?? '') + listing(passage)
  if (operation.model === 'body') return path
  const named = path?.replace(MODEL, () => encodeURIComponent(target.model))
  return named && asksForEvents(request.url) ? `${named}?alt=sse` : named
}

/** How lists are paged. A cursor is an id, and as such its backend's own. */
function listing({ request: { url = '' }, cursors }: Passage): string {
  const given = new URLSearchParams(url.split('?')[1] ?? '')
  const kept = new URLSearchParams()
  for (const name of ['limit', 'order', 'purpose', 'include', 'include[]']) {
    for (const value of given.getAll(name)) kept.append(name, value)
  }
  for (const [name, value] of cursors ?? []) kept.append(name, value)
  const query = kept.toString()
  return query === '' ? '' : `?${query}`
}

export function asksForEvents(url = ''): boolean {
  const query = url.split('?')[1]
  return query !== undefined && new URLSearchParams(query).get('alt') === 'sse'
}
