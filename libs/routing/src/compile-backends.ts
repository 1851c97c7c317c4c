import {
  isLimited,
  KINDS,
  type BackendSpec,
  type Limits,
  secretOf,
  type Snapshot,
} from '@signalbox/model'
import { credentialOf } from './credential.ts'
import { type Problem, type Quarantine } from './quarantine.ts'
import { type CompiledBackend } from './table.ts'

/**
 * All backends that compile, with their last good specs where the present one does not. Sorted by
 * id, so that every process has the targets of a route in the same order: what round robin did in
 * one can be made again in another.
 */
export function compileBackends(
  snapshot: Snapshot,
  { previous, problems }: Quarantine,
): readonly CompiledBackend[] {
  const backends: CompiledBackend[] = []
  for (const [id, { revision, spec }] of [...snapshot.backends].sort(byId)) {
    const last = previous?.backendById.get(id)
    const credential = credentialOf({ id, revision, spec }, snapshot)
    // The same object is the same spec: it compiled then, so it compiles now.
    const message = last?.spec === spec ? undefined : backendProblem(spec)
    if (message === undefined && credential !== undefined) {
      const own = { room: roomOf(spec), limits: limitsOf(spec) }
      backends.push({ index: backends.length, id, revision, spec, credential, ...own })
      continue
    }
    problems.push(problemOf(id, message ?? spec))
    if (last) backends.push({ ...last, index: backends.length })
  }
  return backends
}

/** Below the concurrency limit, and below what its connections and their queue hold. */
function roomOf({ limits: { concurrency = Infinity, connections, pending } }: BackendSpec): number {
  return Math.min(concurrency, connections + pending)
}

/** What is counted a minute. How many at a time is each proxy's own: `room`. */
function limitsOf({ limits: { rpm, tpm } }: BackendSpec): Limits | null {
  const limits = { ...(rpm === undefined ? {} : { rpm }), ...(tpm === undefined ? {} : { tpm }) }
  return isLimited(limits) ? limits : null
}

/** Why it does not compile; the spec itself: its secret is missing. */
function problemOf(id: string, why: string | BackendSpec): Problem {
  const resource = 'backend'
  if (typeof why === 'string') return { resource, id, code: 'does_not_compile', message: why }
  const message = `backend ${id} refers to secret ${secretOf(why)}, which does not exist`
  return { resource, id, code: 'dangling_reference', message }
}

function byId([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one < other ? -1 : 1
}

const KNOWN_KINDS: ReadonlySet<unknown> = new Set(KINDS)

/**
 * Specs were parsed before they were logged, but perhaps by another version, which may know more
 * kinds and more fields. So this asks for what a proxy reads and ignores what it does not know.
 */
function backendProblem(spec: BackendSpec): string | undefined {
  const { kind, url, models, weight, enabled, limits } = spec
  if (!KNOWN_KINDS.has(kind)) return `unknown kind ${JSON.stringify(kind)}`
  if (typeof url !== 'string' || !/^https?:\/\//i.test(url) || !URL.canParse(url)) {
    return 'url is not an absolute http or https URL'
  }
  if (models !== 'discover' && !Array.isArray(models))
    return 'models is neither a list nor discover'
  if (!isCount(weight)) return 'weight is not a number'
  if (typeof enabled !== 'boolean') return 'enabled is neither true nor false'
  if (!isCount(limits?.connections) || !isCount(limits.pending)) return 'limits are missing'
  const parts = { labels: spec.labels, timeouts: spec.timeouts, health: spec.health, tls: spec.tls }
  const missing = Object.entries(parts).find(([, part]) => typeof part !== 'object' || !part)
  return missing && `${missing[0]} is missing`
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}
