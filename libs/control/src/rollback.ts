import {
  collection,
  err,
  ok,
  refuse,
  sealedOf,
  type Draft,
  type Named,
  type Refusal,
  type ResourceName,
  RESOURCES,
  type Result,
  type Snapshot,
  type Spec,
} from '@signalbox/model'
import { checkReferences } from './references.ts'
import { draftsOf, openView } from './view.ts'

/**
 * Who may is not undone because a route is: a revoked key must not come back, a closed fleet not
 * open. Nor what opens other people's doors: a secret that was changed is no longer good there.
 * Only by name.
 */
const WHO_MAY: readonly ResourceName[] = ['key', 'principal', 'settings', 'secret']
/** What a rollback of everything brings back. */
export const ROLLED_BACK = RESOURCES.filter((name) => !WHO_MAY.includes(name))

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
      const named = wanted ? wanted.has(keyOf(one)) : !WHO_MAY.includes(one.resource)
      if (!named) continue
      const spec = keepSealed(specOf(target, one), specOf(now, one))
      view.pending[one.resource].set(one.id, { spec, command: 0 })
    }
    const broken = checkReferences(view)
    return broken ? err(broken.refusal) : ok(draftsOf(view))
  }
}

/** The spec with the present seal where it holds the same secret: the former key may be gone. */
function keepSealed(spec: Spec | null, now: Spec | null): Spec | null {
  if (spec === null || now === null) return spec
  if ('sealed' in spec && 'sealed' in now && spec.fingerprint === now.fingerprint) {
    return { ...spec, sealed: now.sealed }
  }
  if (!('credential' in spec) || !('credential' in now)) return spec
  const [then, kept] = [sealedOf(spec), sealedOf(now)]
  return then && then.fingerprint === kept?.fingerprint ? { ...spec, credential: kept } : spec
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
