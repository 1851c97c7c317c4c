import {
  canonicalJson,
  collection,
  RESOURCES,
  type ChangeOp,
  type Draft,
  type Resource,
  type ResourceName,
  type Snapshot,
  type Spec,
  type SpecOf,
} from '@signalbox/model'

interface Pending {
  /** null: deleted. */
  readonly spec: Spec | null
  /** Index of the command that wrote it last. */
  readonly command: number
}

/** A snapshot with the writes of the commands at hand laid over it. Lives for one decision. */
export interface View {
  readonly snapshot: Snapshot
  readonly pending: Readonly<Record<ResourceName, Map<string, Pending>>>
  /** What commands deleted, as sets name it, with the index of the last command that did. */
  readonly deleted: Map<string, number>
}

export function openView(snapshot: Snapshot): View {
  const pending = Object.fromEntries(RESOURCES.map((name) => [name, new Map()]))
  return { snapshot, pending: pending as unknown as View['pending'], deleted: new Map() }
}

export function storedIn(view: View, resource: ResourceName, id: string): Resource | undefined {
  return collection(view.snapshot, resource).get(id)
}

/** The spec as the commands so far have left it; null where there is none. */
export function specIn(view: View, resource: ResourceName, id: string): Spec | null {
  const pending = view.pending[resource].get(id)
  if (pending) return pending.spec
  return storedIn(view, resource, id)?.spec ?? null
}

/** All resources of a kind as the commands have left them. */
export function* allIn<Name extends ResourceName>(
  view: View,
  name: Name,
): Generator<readonly [string, SpecOf[Name]]> {
  const pending = view.pending[name]
  for (const [id, { spec }] of collection(view.snapshot, name)) {
    if (!pending.has(id)) yield [id, spec]
  }
  for (const [id, { spec }] of pending) {
    if (spec !== null) yield [id, spec as SpecOf[Name]]
  }
}

/**
 * What the commands change in the end: at most one draft a resource, none where it ends as it was.
 * A resource that was deleted and created again inside one change was updated.
 */
export function draftsOf(view: View): readonly Draft[] {
  return RESOURCES.flatMap((resource) =>
    [...view.pending[resource]].flatMap(([id, { spec }]) => {
      const stored = storedIn(view, resource, id)
      const op = changeOp(stored?.spec ?? null, spec)
      if (op === undefined) return []
      const version = (stored?.version ?? 0) + 1
      return [{ type: `${resource}.${op}` as const, resource, id, version, spec }]
    }),
  )
}

/** What happened to a resource between two specs; undefined where nothing did. */
export function changeOp(before: Spec | null, after: Spec | null): ChangeOp | undefined {
  if (before === after) return undefined
  if (before === null) return 'created'
  if (after === null) return 'deleted'
  return canonicalJson(before) === canonicalJson(after) ? undefined : 'updated'
}
