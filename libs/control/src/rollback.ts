import {
  collection,
  err,
  ok,
  refuse,
  type Draft,
  type Refusal,
  type ResourceName,
  type Result,
  type Snapshot,
} from '@signalbox/model'
import { diff } from './diff.ts'
import { checkReferences } from './references.ts'
import { draftsOf, openView } from './view.ts'

/**
 * Who may is not undone because a route is: a revoked key must not come back, a closed fleet not
 * open. Only by name.
 */
const WHO_MAY: readonly ResourceName[] = ['key', 'principal', 'settings']

export interface Named {
  readonly resource: ResourceName
  readonly id: string
}

/**
 * What brings everything but keys, principals and settings, or only the named resources, back to
 * how it was in `target`. Specs come back as they were stored, credentials included; what would not
 * hold together today (a route whose backend has gone meanwhile) is refused. No draft where nothing
 * differs.
 */
export function decideRollback(
  target: Snapshot,
  only: readonly Named[] | null,
): (now: Snapshot) => Result<readonly Draft[], Refusal> {
  return (now) => {
    const unknown = only?.find((named) => !isIn(now, named) && !isIn(target, named))
    if (unknown) {
      const name = `${unknown.resource} ${unknown.id}`
      const message = `${name} exists neither now nor at revision ${target.head.revision}`
      return err(refuse('not_found', message))
    }
    const wanted = only && new Set(only.map(keyOf))
    const view = openView(now)
    for (const change of diff(now, target)) {
      const named = wanted ? wanted.has(keyOf(change)) : !WHO_MAY.includes(change.resource)
      if (!named) continue
      view.pending[change.resource].set(change.id, { spec: change.after, command: 0 })
    }
    const broken = checkReferences(view)
    return broken ? err(broken.refusal) : ok(draftsOf(view))
  }
}

function isIn(snapshot: Snapshot, { resource, id }: Named): boolean {
  return collection(snapshot, resource).has(id)
}

function keyOf({ resource, id }: Named): string {
  return `${resource} ${id}`
}
