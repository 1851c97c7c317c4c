import {
  type FieldProblem,
  type Named,
  refuse,
  type ResourceName,
  type SetSpec,
} from '@signalbox/model'
import { type LocatedRefusal } from './references.ts'
import { nameSome } from './referring.ts'
import { allIn, specIn, storedIn, type View } from './view.ts'

/** How a set names what it owns. */
export function memberOf({ resource, id }: Named): string {
  return `${resource}/${id}`
}

function namedBy(member: string): Named {
  const [resource = '', ...rest] = member.split('/')
  return { resource: resource as ResourceName, id: rest.join('/') }
}

export function isThere(view: View, member: string): boolean {
  const { resource, id } = namedBy(member)
  return specIn(view, resource, id) !== null
}

/** A set that commands write names what there is, as any other reference does. */
export function checkMembers(view: View): LocatedRefusal | undefined {
  for (const [id, { spec, command }] of view.pending.set) {
    if (spec === null) continue
    const before = new Set((storedIn(view, 'set', id)?.spec as SetSpec | undefined)?.members)
    const errors = (spec as SetSpec).members.flatMap((member, index): FieldProblem[] => {
      if (isThere(view, member)) return []
      // What went before sets lost their members with it may stay named until it is made anew.
      const { resource, id: of } = namedBy(member)
      if (before.has(member) && !view.pending[resource].has(of)) return []
      return [{ path: `spec.members.${index}`, message: `${member} does not exist` }]
    })
    if (errors.length === 0) continue
    const verb = errors.length === 1 ? 'does' : 'do'
    const names = errors.map(({ message }) => message.split(' ')[0] ?? '')
    const message = `set ${id} names ${nameSome(names)}, which ${verb} not exist`
    return { command, refusal: refuse('dangling_reference', message, { errors }) }
  }
  return undefined
}

/**
 * What is deleted, by whatever way, belongs to no set any longer. Otherwise who creates it anew
 * would be told that it belongs to one, and that one's next apply could prune what it never wrote.
 */
export function disown(
  view: View,
  { deleted, command }: { readonly deleted: readonly Named[]; readonly command: number },
): void {
  if (deleted.length === 0) return
  const gone = new Set(deleted.map(memberOf))
  trim(view, command, (_, member) => !gone.has(member))
}

/**
 * The same at the end of a rollback. A set that it brings back may name what it does not bring
 * back: a secret that was deleted since.
 */
export function disownDeleted(view: View): void {
  const gone = new Set<string>()
  for (const [resource, pending] of Object.entries(view.pending)) {
    for (const [id, { spec }] of pending) {
      if (spec === null) gone.add(memberOf({ resource: resource as ResourceName, id }))
    }
  }
  const back = new Set(view.pending.set.keys())
  if (gone.size === 0 && back.size === 0) return
  trim(view, 0, (set, member) => !gone.has(member) && (!back.has(set) || isThere(view, member)))
}

function trim(view: View, command: number, keeps: (set: string, member: string) => boolean): void {
  for (const [id, { members }] of [...allIn(view, 'set')]) {
    const left = members.filter((member) => keeps(id, member))
    if (left.length < members.length) {
      view.pending.set.set(id, { spec: { members: left }, command })
    }
  }
}
