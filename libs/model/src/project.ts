import { type RevisionBody, type RevisionMessage } from './event.ts'
import { withChanges } from './layered-map.ts'
import { type Resource, type ResourceName } from './resource.ts'
import { withDataKeys } from './sealed.ts'
import { collection, type Snapshot, snapshotFrom } from './snapshot.ts'

/**
 * Folds one revision into a snapshot and answers the new one; the old one stays as it was. What
 * the revision does not touch is shared. The caller has checked that the revision is the
 * next one (libs/bus/src/follower.ts, libs/store) - here that is a bug and throws.
 */
export function project(
  snapshot: Snapshot,
  message: RevisionMessage,
  body: RevisionBody,
): Snapshot {
  if (message.revision !== snapshot.head.revision + 1) {
    throw new Error(`revision ${message.revision} does not follow ${snapshot.head.revision}`)
  }
  const touched = new Map<ResourceName, Map<string, Resource | null>>()
  const stored = storedOf(snapshot, body)
  for (const event of body.events) {
    const { resource: name, id } = event
    const changes = touched.get(name) ?? new Map<string, Resource | null>()
    touched.set(name, changes)
    const before = changes.has(id) ? changes.get(id) : stored(name).get(id)
    changes.set(id, resourceAfter(event, { body, message }, before ?? undefined))
  }
  const { lineage, epoch, revision, hash } = message
  const at = { lineage, epoch, revision, hash }
  return snapshotFrom(at, (name) => {
    const [all, changes] = [collection(snapshot, name), touched.get(name)]
    return changes ? withChanges(all, changes) : all
  })
}

/**
 * Of a collection what a revision touches, as it was. Read in the order of the ids, kind by kind:
 * one that lies packed (packed-map.ts) unpacks each of its pieces once at most.
 */
function storedOf(snapshot: Snapshot, { events }: RevisionBody) {
  const found = new Map<ResourceName, Map<string, Resource | undefined>>()
  for (const [name, some] of Map.groupBy(events, ({ resource }) => resource)) {
    const all = collection(snapshot, name)
    const ids = [...new Set(some.map(({ id }) => id))].sort()
    found.set(name, new Map(ids.map((id) => [id, all.get(id)])))
  }
  return (name: ResourceName): ReadonlyMap<string, Resource | undefined> =>
    found.get(name) ?? new Map()
}

/** What an event makes of a resource; null: it deletes it. */
export function resourceAfter(
  event: RevisionBody['events'][number],
  { body, message }: { readonly body: RevisionBody; readonly message: RevisionMessage },
  before: Resource | undefined,
): Resource | null {
  if (event.spec === null) return null
  return {
    id: event.id,
    version: event.version,
    revision: body.revision,
    createdAt: before?.createdAt ?? body.at,
    updatedAt: body.at,
    spec: message.dataKeys ? withDataKeys(event.spec, message.dataKeys) : event.spec,
  }
}
