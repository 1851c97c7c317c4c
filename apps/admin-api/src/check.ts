import { sizeProblem } from '@signalbox/bus'
import {
  type Intent,
  canonicalJson,
  type Draft,
  refuse,
  type Refusal,
  type Resource,
  type ResourceName,
  RESOURCES,
  sealedTextOf,
  secretOf,
  type Snapshot,
  snapshotFrom,
  type Spec,
} from '@signalbox/model'
import { whileOpen, widens, widensNetwork } from '@signalbox/control'
import { compile } from '@signalbox/routing'
import { type Check, type WriteRequest } from '@signalbox/store'

/** Position, version and schema of an event in a revision's body. */
const EVENT_BYTES = 96
/** The rest of that body: lineage, numbers, time, and an intent whose texts are bounded. */
const ENVELOPE_BYTES = 16_384

/** Each brings a data key along, in a header: these and the body must be one message. */
const SEALED_MAX = 2_000

/** Times do not matter to the compiler. */
const AT = '1970-01-01T00:00:00.000Z'

export type Decide = WriteRequest['decide']

/** Why a change may not be: the actor may not, the bus could not carry it or a proxy not use it. */
export function checksFor(intent: Pick<Intent, 'actor' | 'undoesAfter'>): readonly Check[] {
  return [
    whileOpen,
    (now, drafts) => notAllowed(drafts, intent, now),
    (_, drafts) => tooLarge(drafts),
    doesNotCompile,
  ]
}

/**
 * Whoever could make principals could make themselves an admin, by whatever call; and whoever could
 * say where a secret goes could have it sent to themselves: by widening it, or by bringing an older
 * value back to where a newer one goes. Where backends may be binds those who write backends.
 */
function notAllowed(
  drafts: readonly Draft[],
  { actor: { role }, undoesAfter }: Pick<Intent, 'actor' | 'undoesAfter'>,
  now: Snapshot,
): Refusal | undefined {
  if (role === 'admin') return undefined
  if (undoesAfter !== undefined && drafts.some(({ resource }) => resource === 'secret')) {
    return refuse('forbidden', `the role ${role} may not bring secrets back; needs admin`)
  }
  if (drafts.some(({ resource }) => resource === 'principal')) {
    return refuse('forbidden', `the role ${role} may not change principals; needs admin`)
  }
  const why = widens(drafts, now) ?? widensNetwork(drafts, now)
  if (why === undefined) return undefined
  return refuse('forbidden', `${why}: the role ${role} may not do this; needs admin`)
}

/** Once in the log it could never be published, and nothing that comes after it either. */
function tooLarge(drafts: readonly Draft[]): Refusal | undefined {
  const sealed = drafts.filter(({ spec }) => sealedTextOf(spec) !== undefined).length
  if (sealed > SEALED_MAX) {
    const many = `${sealed} resources with a sealed value, over ${SEALED_MAX}`
    return refuse('admin_body_too_large', `the change has ${many}; change less in one call`)
  }
  const filler = '0'.repeat(ENVELOPE_BYTES + drafts.length * EVENT_BYTES)
  const problem = sizeProblem(canonicalJson(drafts) + filler)
  if (!problem) return undefined
  return refuse('admin_body_too_large', `the change has ${problem}; change less in one call`)
}

/**
 * The compiler that the proxies use: what they could not use is refused here. It is given what the
 * change touches and what that refers to, so that the cost does not grow with the fleet; whether
 * names clash with the rest was decided before.
 */
function doesNotCompile(snapshot: Snapshot, drafts: readonly Draft[]): Refusal | undefined {
  const { problems } = compile(touchedBy(snapshot, drafts), new Map())
  const own = problems.find((problem) =>
    drafts.some(({ resource, id }) => resource === problem.resource && id === problem.id),
  )
  if (!own) return undefined
  const { resource, id, message } = own
  return refuse('does_not_compile', `${resource} ${id}: ${message}`)
}

/** The drafted resources as they would be, and those that they refer to. */
function touchedBy(snapshot: Snapshot, drafts: readonly Draft[]): Snapshot {
  const touched = new Map(RESOURCES.map((name) => [name, new Map<string, Resource>()]))
  const add = (name: ResourceName, id: string, spec: Spec | null | undefined) => {
    if (!spec || touched.get(name)?.has(id)) return
    touched.get(name)?.set(id, { id, version: 1, revision: 1, createdAt: AT, updatedAt: AT, spec })
  }
  for (const { resource, id, spec } of drafts) add(resource, id, spec)
  for (const { spec } of drafts) {
    if (spec === null) continue
    if ('implicitPolicy' in spec) {
      add('policy', spec.implicitPolicy, snapshot.policies.get(spec.implicitPolicy)?.spec)
    }
    const secret = 'credential' in spec ? secretOf(spec) : undefined
    if (secret !== undefined) add('secret', secret, snapshot.secrets.get(secret)?.spec)
    if (!('tiers' in spec)) continue
    add('policy', spec.policy, snapshot.policies.get(spec.policy)?.spec)
    for (const { backend = '' } of spec.tiers.flatMap((tier) => tier.targets)) {
      add('backend', backend, snapshot.backends.get(backend)?.spec)
    }
    for (const route of spec.fallbacks) add('route', route, snapshot.routes.get(route)?.spec)
  }
  return snapshotFrom(snapshot.head, (name) => touched.get(name) ?? new Map())
}
