import {
  collection,
  err,
  keepSealed,
  ok,
  refuse,
  type Draft,
  type Named,
  type Refusal,
  type ResourceName,
  RESOURCES,
  type Result,
  type Snapshot,
  type Spec,
} from '@signalbox/model'
import { disownDeleted } from './membership.ts'
import { checkReferences } from './references.ts'
import { trimPrompts } from './referring.ts'
import { draftsOf, openView } from './view.ts'

/**
 * Who may is not undone because a route is: a revoked key must not come back, a closed fleet not
 * open. Nor what opens other people's doors: a secret that was changed is no longer good there.
 * Only by name.
 */
const WHO_MAY: readonly ResourceName[] = ['key', 'principal', 'settings', 'secret']
/** How a configuration came to be is no part of it. */
const KEPT: readonly ResourceName[] = [...WHO_MAY, 'release']
/** What a rollback of everything brings back. */
export const ROLLED_BACK = RESOURCES.filter((name) => !KEPT.includes(name))

/** A state of the past: of all that was changed since, which is `touched`. */
export interface RollbackTarget {
  readonly snapshot: Snapshot
  readonly touched: readonly Named[]
}

/**
 * What brings everything but keys, principals, secrets and settings, or only the named resources,
 * back to how it was in the target. Specs come back as they were stored, credentials included, but
 * for one that was only sealed anew since: that stays. What would not hold together today (a route
 * whose backend has gone meanwhile) is refused. No draft where nothing differs.
 */
export function decideRollback(
  only: readonly Named[] | null,
): (now: Snapshot, target: RollbackTarget) => Result<readonly Draft[], Refusal> {
  return (now, { snapshot: target, touched }) => {
    const unknown = only?.find((named) => !isIn(now, named) && !isIn(target, named))
    if (unknown) {
      const name = `${unknown.resource} ${unknown.id}`
      const message = `${name} exists neither now nor at revision ${target.head.revision}`
      return err(refuse('not_found', message))
    }
    const wanted = only && new Set(only.map(keyOf))
    const view = openView(now)
    for (const one of touched) {
      const named = wanted ? wanted.has(keyOf(one)) : !KEPT.includes(one.resource)
      if (!named) continue
      const spec = keepSealed(specOf(target, one), specOf(now, one))
      view.pending[one.resource].set(one.id, { spec, command: 0 })
    }
    disownDeleted(view)
    trimPrompts(view, { whole: only === null })
    const broken = checkReferences(view)
    return broken ? err(broken.refusal) : ok(draftsOf(view))
  }
}

function specOf(snapshot: Snapshot, { resource, id }: Named): Spec | null {
  return collection(snapshot, resource).get(id)?.spec ?? null
}

function isIn(snapshot: Snapshot, { resource, id }: Named): boolean {
  return collection(snapshot, resource).has(id)
}

function keyOf({ resource, id }: Named): string {
  return `${resource} ${id}`
}
