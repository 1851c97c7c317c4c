import { type RevisionBody, type RevisionMessage } from './event.ts'
import { type Resource, type ResourceName } from './resource.ts'
import { collection, type Snapshot, snapshotFrom } from './snapshot.ts'

/**
 * Folds one revision into a snapshot and answers the new one; the old one stays as it was. Only the
 * collections that the revision touches are copied. The caller has checked that the revision is the
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
  const touched = new Map<ResourceName, Map<string, Resource>>()
  for (const event of body.events) {
    const all = touched.get(event.resource) ?? new Map(collection(snapshot, event.resource))
    touched.set(event.resource, all)
    if (event.spec === null) all.delete(event.id)
    else all.set(event.id, resourceOf(event, body, all.get(event.id)))
  }
  const { lineage, epoch, revision, hash } = message
  const at = { lineage, epoch, revision, hash }
  return snapshotFrom(at, (name) => touched.get(name) ?? collection(snapshot, name))
}

function resourceOf(
  event: RevisionBody['events'][number],
  body: RevisionBody,
  before: Resource | undefined,
): Resource {
  if (event.spec === null) throw new Error('a deleted resource has no spec')
  return {
    id: event.id,
    version: event.version,
    revision: body.revision,
    createdAt: before?.createdAt ?? body.at,
    updatedAt: body.at,
    spec: event.spec,
  }
}
