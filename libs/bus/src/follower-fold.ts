import {
  EVENT_SCHEMA,
  type Head,
  hashHolds,
  project,
  type ResourceName,
  RESOURCES,
  type RevisionBody,
  type RevisionMessage,
  type Sha256,
  type Snapshot,
  upcastBody,
} from '@signalbox/model'

export interface ChangedResource {
  readonly resource: ResourceName
  readonly id: string
}

/** What a new snapshot changed; `all` where that is not known (restored, or a snapshot taken). */
export type Changed = 'all' | readonly ChangedResource[]

/** Why a chain did not grow any further. */
export type Stopped =
  /** Whole, of the log's next revision, and yet not ours: two histories. */
  | { readonly kind: 'fork' }
  /** A gap, or bytes that are not what their hash says. */
  | { readonly kind: 'broken' }
  /** Ours, but this version does not understand it. */
  | { readonly kind: 'unreadable'; readonly reason: string }

export interface Extended {
  readonly snapshot: Snapshot
  readonly changed: readonly ChangedResource[]
  readonly stopped: Stopped | null
}

/** Whether a message is the next one of a chain, whole and undamaged. */
export function links(head: Head, message: RevisionMessage, sha256: Sha256): boolean {
  return stopAt(head, message, sha256) === null
}

/** Folds what links to the snapshot, in order, up to the first message that does not. */
export function extend(
  start: Snapshot,
  messages: readonly RevisionMessage[],
  sha256: Sha256,
): Extended {
  let snapshot = start
  const changed: ChangedResource[] = []
  for (const message of messages) {
    if (message.revision <= snapshot.head.revision) continue
    const stopped = stopAt(snapshot.head, message, sha256)
    if (stopped) return { snapshot, changed, stopped }
    const body = readBody(message)
    if (typeof body === 'string') {
      return { snapshot, changed, stopped: { kind: 'unreadable', reason: body } }
    }
    snapshot = project(snapshot, message, body)
    for (const { resource, id } of body.events) changed.push({ resource, id })
  }
  return { snapshot, changed, stopped: null }
}

function stopAt(head: Head, message: RevisionMessage, sha256: Sha256): Stopped | null {
  if (message.revision !== head.revision + 1 || !hashHolds(message, sha256)) return BROKEN
  if (message.previousHash === head.hash && message.lineage === head.lineage) return null
  // A message of an earlier epoch is what a stale publisher left behind: no history of its own.
  return message.lineage === head.lineage && message.epoch < head.epoch ? BROKEN : FORK
}

const BROKEN: Stopped = { kind: 'broken' }
const FORK: Stopped = { kind: 'fork' }

/** The body; a sentence where this version must not apply it. */
function readBody(message: RevisionMessage): RevisionBody | string {
  const where = `revision ${message.revision}`
  const body = parse(message.body)
  if (body?.v !== 1) return `${where} has a body of a form that this version does not know`
  const { revision, epoch, lineage, events } = body
  const same =
    revision === message.revision && epoch === message.epoch && lineage === message.lineage
  if (!same || !Array.isArray(events)) return `${where} says of itself that it is another`
  const unknown = events.find(({ resource }) => !RESOURCES.includes(resource))
  if (unknown) return `${where} changes a ${unknown.resource}, which this version does not know`
  const schema = Math.max(0, ...events.map((event) => event.schema))
  if (schema <= EVENT_SCHEMA) return brought(body, where)
  return `${where} holds an event of schema ${schema}; this version understands ${EVENT_SCHEMA}`
}

function brought(body: RevisionBody, where: string): RevisionBody | string {
  try {
    return upcastBody(body)
  } catch (error) {
    return `${where}: ${error instanceof Error ? error.message : 'cannot be read'}`
  }
}

function parse(text: string): RevisionBody | undefined {
  try {
    return JSON.parse(text) as RevisionBody
  } catch {
    return undefined
  }
}
