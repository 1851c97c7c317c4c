import { REVISION_BYTES_MAX } from '@signalbox/bus'
import {
  type Actor,
  canonicalJson,
  type Draft,
  err,
  EVENT_SCHEMA,
  project,
  refuse,
  type Refusal,
  type Result,
  type RevisionBody,
  type Snapshot,
} from '@signalbox/model'
import { compile } from '@signalbox/routing'

/** Position, version and schema of an event in a revision's body. */
const EVENT_BYTES = 96
/** The rest of that body: lineage, numbers, time, and an intent whose texts are bounded. */
const ENVELOPE_BYTES = 16_384

export type Decide = (snapshot: Snapshot) => Result<readonly Draft[], Refusal>

/** What was decided, unless the actor may not, the bus could not carry it or a proxy not use it. */
export function checked(decide: Decide, actor: Actor): Decide {
  return (snapshot) => {
    const decided = decide(snapshot)
    if (!decided.ok || decided.value.length === 0) return decided
    const refusal =
      notAllowed(decided.value, actor) ??
      tooLarge(decided.value) ??
      doesNotCompile(snapshot, decided.value)
    return refusal ? err(refusal) : decided
  }
}

/** Whoever could make principals could make themselves an admin, by whatever call. */
function notAllowed(drafts: readonly Draft[], { role }: Actor): Refusal | undefined {
  if (role === 'admin' || drafts.every(({ resource }) => resource !== 'principal')) return undefined
  return refuse('forbidden', `the role ${role} may not change principals; needs admin`)
}

/** Once in the log it could never be published, and nothing that comes after it either. */
function tooLarge(drafts: readonly Draft[]): Refusal | undefined {
  const body = Buffer.byteLength(canonicalJson(drafts))
  const bytes = body + drafts.length * EVENT_BYTES + ENVELOPE_BYTES
  if (bytes <= REVISION_BYTES_MAX) return undefined
  const sizes = `${bytes} bytes as one revision, over ${REVISION_BYTES_MAX}`
  return refuse('admin_body_too_large', `the change has ${sizes}; change less in one call`)
}

/** The compiler that the proxies use: what they could not use is refused here. */
function doesNotCompile(snapshot: Snapshot, drafts: readonly Draft[]): Refusal | undefined {
  const { problems } = compile(preview(snapshot, drafts), new Map())
  const touched = problems.find((problem) =>
    drafts.some(({ resource, id }) => resource === problem.resource && id === problem.id),
  )
  if (!touched) return undefined
  const { resource, id, message } = touched
  return refuse('does_not_compile', `${resource} ${id}: ${message}`)
}

/** The state as it would be; numbers and times do not matter to the compiler. */
function preview(snapshot: Snapshot, drafts: readonly Draft[]): Snapshot {
  const { lineage, epoch, revision, hash } = snapshot.head
  const message = { lineage, epoch, revision: revision + 1, previousHash: hash, hash, body: '' }
  const events = drafts.map((draft, index) => ({ ...draft, position: index, schema: EVENT_SCHEMA }))
  const at = '1970-01-01T00:00:00.000Z'
  return project(snapshot, message, {
    revision: revision + 1,
    at,
    events,
  } as unknown as RevisionBody)
}
