import {
  collection,
  RESOURCES,
  type ChangeOp,
  type ResourceName,
  type Snapshot,
  type Spec,
} from '@signalbox/model'
import { changeOp } from './view.ts'

/** One resource that differs. `before` is null where it was created, `after` where deleted. */
export interface Change {
  readonly resource: ResourceName
  readonly id: string
  readonly op: ChangeOp
  readonly before: Spec | null
  readonly after: Spec | null
}

/** What leads from one snapshot to another, ordered by resource, then by id (UTF-16 code units). */
export function diff(from: Snapshot, to: Snapshot): readonly Change[] {
  return RESOURCES.flatMap((resource) => diffCollection(resource, from, to))
}

function diffCollection(resource: ResourceName, from: Snapshot, to: Snapshot): readonly Change[] {
  const left = collection(from, resource)
  const right = collection(to, resource)
  // project() copies the touched collections only, so that most comparisons end here.
  if (left === right) return []
  const changes: Change[] = []
  for (const [id, { spec: before }] of left) {
    const after = right.get(id)?.spec ?? null
    const op = changeOp(before, after)
    if (op) changes.push({ resource, id, op, before, after })
  }
  for (const [id, { spec: after }] of right) {
    if (!left.has(id)) changes.push({ resource, id, op: 'created', before: null, after })
  }
  return changes.sort((a, b) => (a.id < b.id ? -1 : 1))
}
