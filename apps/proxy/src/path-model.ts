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
): { readonly operation: Operation; readonly pathModel: string } | undefined {
  const found = PATTERNS.find(({ head, tail }) => path.startsWith(head) && path.endsWith(tail))
  if (!found) return undefined
  const pathModel = decoded(path.slice(found.head.length, path.length - found.tail.length))
  return pathModel ? { operation: found.operation, pathModel } : undefined
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
  if (pathModel === undefined || !scan.ok) return scan
  return { ...scan, model: undefined, stream: operation.streams === 'always' }
}

/**
 * The path at a backend that serves the operation itself. Of the client's query only the form of
 * the stream goes on: a key in it is neither read nor shown to anybody.
 */
export function nativePath(
  { operation, request }: Passage,
  { live, target }: { readonly live: Live; readonly target: CompiledTarget },
): string | undefined {
  const path = live.paths.get(operation.path)
  if (operation.model === 'body') return path
  const named = path?.replace(MODEL, () => encodeURIComponent(target.model))
  return named && asksForEvents(request.url) ? `${named}?alt=sse` : named
}

export function asksForEvents(url = ''): boolean {
  const query = url.split('?')[1]
  return query !== undefined && new URLSearchParams(query).get('alt') === 'sse'
}
