import {
  type Draft,
  type FieldProblem,
  refuse,
  type ResourceName,
  type SetSpec,
} from '@signalbox/model'
import { type LocatedRefusal } from './references.ts'
import { nameSome } from './referring.ts'
import { allIn, draftsOf, specIn, type View } from './view.ts'

/** How a set names what it owns. */
export function memberOf({ resource, id }: { resource: ResourceName; id: string }): string {
  return `${resource}/${id}`
}

export function isThere(view: View, member: string): boolean {
  const [resource = '', ...rest] = member.split('/')
  return specIn(view, resource as ResourceName, rest.join('/')) !== null
}

/** A set that commands write names what there is, as any other reference does. */
export function checkMembers(view: View): LocatedRefusal | undefined {
  for (const [id, { spec, command }] of view.pending.set) {
    if (spec === null) continue
    const errors = (spec as SetSpec).members.flatMap((member, index): FieldProblem[] => {
      if (isThere(view, member)) return []
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
 * What the commands change in the end, and what sets lose by it: what is deleted, by whatever way,
 * belongs to no set any longer. Otherwise who creates it anew would be told that it belongs to one,
 * and that one's next apply could prune what it never wrote.
 */
export function settled(view: View): readonly Draft[] {
  const gone = new Set<string>()
  for (const [resource, pending] of Object.entries(view.pending)) {
    for (const [id, { spec }] of pending) {
      if (spec === null) gone.add(memberOf({ resource: resource as ResourceName, id }))
    }
  }
  if (gone.size === 0 && view.pending.set.size === 0) return draftsOf(view)
  for (const [id, { members }] of [...allIn(view, 'set')]) {
    // One that a rollback brings back may name what was deleted before, and is not touched by it.
    const written = view.pending.set.has(id)
    const left = members.filter((one) => !gone.has(one) && (!written || isThere(view, one)))
    if (left.length === members.length) continue
    const command = view.pending.set.get(id)?.command ?? -1
    view.pending.set.set(id, { spec: { members: left }, command })
  }
  return draftsOf(view)
}
