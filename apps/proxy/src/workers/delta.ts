import { type Changed, type ChangedResource } from '@signalbox/bus'
import {
  collection,
  type Head,
  type Resource,
  type ResourceName,
  type Snapshot,
  snapshotFrom,
  withChanges,
} from '@signalbox/model'

/** What takes a worker from an older snapshot to a newer one: the resources that differ. */
export interface Delta {
  readonly head: Head
  readonly resources: readonly {
    readonly name: ResourceName
    readonly id: string
    /** null: there is none any more. */
    readonly resource: Resource | null
  }[]
}

/** More are a snapshot: it costs no more then. */
const CHANGED_MAX = 10_000

/** What changed in two steps. */
export function bothChanged(before: Changed, after: Changed): Changed {
  if (before === 'all' || after === 'all') return 'all'
  const keys = new Map([...before, ...after].map((one) => [`${one.resource} ${one.id}`, one]))
  return keys.size > CHANGED_MAX ? 'all' : [...keys.values()]
}

export function deltaOf(snapshot: Snapshot, changed: readonly ChangedResource[]): Delta {
  return {
    head: snapshot.head,
    resources: changed.map(({ resource: name, id }) => {
      return { name, id, resource: collection(snapshot, name).get(id) ?? null }
    }),
  }
}

/** Collections that a delta does not name stay the very same: compile() looks at that. */
export function applyDelta(snapshot: Snapshot, { head, resources }: Delta): Snapshot {
  const touched = new Map<ResourceName, Map<string, Resource | null>>()
  for (const { name, id, resource } of resources) {
    const changes = touched.get(name) ?? new Map<string, Resource | null>()
    touched.set(name, changes.set(id, resource))
  }
  return snapshotFrom(head, (name) => {
    const [all, changes] = [collection(snapshot, name), touched.get(name)]
    return changes ? withChanges(all, changes) : all
  })
}
