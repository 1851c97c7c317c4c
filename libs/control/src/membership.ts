import {
  canonicalJson,
  type Draft,
  type FieldProblem,
  type Named,
  refuse,
  type ResourceName,
  type SetSpec,
  type Snapshot,
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

/** Notes what a command deletes, for `disown`. */
export function noteDeleted(view: View, deleted: readonly Named[], command: number): void {
  for (const one of deleted) view.deleted.set(memberOf(one), command)
}

/**
 * What is deleted, by whatever way, belongs to no set any longer. Otherwise who creates it anew
 * would be told that it belongs to one, and that one's next apply could prune what it never wrote.
 * Done once for all commands, as it looks at every member of every set. A set that was written
 * after a deletion says itself what it owns.
 */
export function disown(view: View): void {
  if (view.deleted.size > 0) trim(view, isKept(view))
}

/** For a command that reads a set: as the commands before it have left it. */
export function disownIn(view: View, set: string): void {
  const spec = specIn(view, 'set', set) as SetSpec | null
  if (view.deleted.size > 0 && spec) trim(view, isKept(view), [[set, spec]])
}

type Keeps = (set: string, member: string) => boolean

function isKept({ deleted, pending }: View): Keeps {
  return (set, member) => {
    const command = deleted.get(member)
    return command === undefined || command <= (pending.set.get(set)?.command ?? -Infinity)
  }
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
  trim(view, (set, member) => !gone.has(member) && (!back.has(set) || isThere(view, member)))
}

function trim(
  view: View,
  keeps: Keeps,
  sets: Iterable<readonly [string, SetSpec]> = allIn(view, 'set'),
): void {
  for (const [id, { members }] of [...sets]) {
    if (members.every((member) => keeps(id, member))) continue
    const left = members.filter((member) => keeps(id, member))
    const command = view.pending.set.get(id)?.command ?? 0
    view.pending.set.set(id, { spec: { members: left }, command })
  }
}

/**
 * The drafts but for those of sets that do what a deletion does by itself: the set loses what the
 * same change deletes, and no more.
 */
export function withoutLosses(now: Snapshot, drafts: readonly Draft[]): readonly Draft[] {
  const gone = new Set(drafts.filter(({ spec }) => spec === null).map(memberOf))
  return drafts.filter(({ resource, id, spec }) => {
    const members = resource === 'set' && spec !== null ? now.sets.get(id)?.spec.members : undefined
    const left = members?.filter((member) => !gone.has(member))
    return !left || canonicalJson(left) !== canonicalJson((spec as SetSpec).members)
  })
}
