import {
  collection,
  DEFINITIONS,
  err,
  ok,
  type PluralOf,
  refuse,
  type Draft,
  type FieldProblem,
  type Refusal,
  type ResourceName,
  type Result,
  type Snapshot,
} from '@signalbox/model'
import { applyCommand, ERRORS_MAX } from './decide.ts'
import { isObject } from './merge-patch.ts'
import { disown, isThere, memberOf, noteDeleted } from './membership.ts'
import { checkReferences } from './references.ts'
import { draftsOf, openView, type View } from './view.ts'

/** What a document holds. Sets are what is kept about documents. */
export const CONFIG_RESOURCES = [
  'backend',
  'route',
  'policy',
  'settings',
  'secret',
] as const satisfies ResourceName[]
export type ConfigResource = (typeof CONFIG_RESOURCES)[number]

/** The whole desired state as people write it: specs by id, below the plural of each kind. */
export type ConfigDocument = {
  readonly [Name in ConfigResource as PluralOf<Name>]?: Readonly<Record<string, unknown>>
}

/** More than this share of what there is may not go by being left out, unless it is forced. */
export const PRUNED_SHARE_MAX = 0.2

/**
 * Settings are not: to leave `clientAuth: blocking` out must not open the fleet. Nor are secrets:
 * their values are in no document, so that one which is gone could not be brought back by another.
 */
const PRUNED = CONFIG_RESOURCES.filter((name) => name !== 'settings' && name !== 'secret')

export interface ApplyOptions {
  /**
   * Who applies: what the document names belongs to this set from now on, and no other set may
   * write it. Null: nobody in particular, and what belongs to a set stays its own.
   */
  readonly set: string | null
  /** Whether what the document does not name is deleted: of the set, or of all there is. */
  readonly prune: boolean
  /** Whether that may be more than PRUNED_SHARE_MAX of what there is. */
  readonly force: boolean
}

/** Reads a document's shape; the specs are looked at when it is decided. */
export function readConfigDocument(
  input: unknown,
): Result<ConfigDocument, readonly FieldProblem[]> {
  if (!isObject(input)) return err([{ path: '', message: 'expected an object' }])
  const known: readonly string[] = CONFIG_RESOURCES.map((name) => DEFINITIONS[name].plural)
  const problems = Object.entries(input).flatMap(([path, specs]): FieldProblem[] => {
    if (!known.includes(path)) {
      return [{ path, message: `unknown; expected one of ${known.join(', ')}` }]
    }
    return isObject(specs) ? [] : [{ path, message: 'expected specs by id' }]
  })
  return problems.length > 0 ? err(problems) : ok(input as ConfigDocument)
}

/** The document of a snapshot; credentials in it are sealed, as they always are. */
export function configOf(snapshot: Snapshot): Required<ConfigDocument> {
  const entries = CONFIG_RESOURCES.map((name) => {
    const sorted = [...collection(snapshot, name).values()].sort((a, b) => (a.id < b.id ? -1 : 1))
    return [DEFINITIONS[name].plural, Object.fromEntries(sorted.map(({ id, spec }) => [id, spec]))]
  })
  return Object.fromEntries(entries) as Required<ConfigDocument>
}

/**
 * Makes the state what the document says: each spec replaces what is stored under its id, and with
 * `prune` the rest goes. Problems name the place in the document, all of them at once:
 * `backends.b1.url`.
 */
export function decideConfig(
  document: ConfigDocument,
  options: ApplyOptions,
): (now: Snapshot) => Result<readonly Draft[], Refusal> {
  return (now) => {
    const view = openView(now)
    const places = entriesOf(document).map(({ resource, id }) => placeOf(resource, id))
    const refusal =
      writeAll(document, view) ??
      refuseForeign(writtenFrom(document, view, options.set), now, options.set) ??
      (options.prune ? pruneRest(document, view, options) : undefined)
    if (refusal) return err(refusal)
    if (options.set !== null) own(document, view, options.set)
    const broken = checkReferences(view)
    if (!broken) return ok(draftsOf(view))
    const errors = placed(broken.refusal, places[broken.command] ?? '')
    return err({ ...broken.refusal, errors })
  }
}

interface Entry {
  readonly resource: ConfigResource
  readonly id: string
  readonly spec: unknown
}

function entriesOf(document: ConfigDocument): readonly Entry[] {
  return CONFIG_RESOURCES.flatMap((resource) =>
    Object.entries(document[DEFINITIONS[resource].plural] ?? {}).map(([id, spec]) => {
      return { resource, id, spec }
    }),
  )
}

function placeOf(resource: ResourceName, id: string): string {
  return `${DEFINITIONS[resource].plural}.${id}`
}

/**
 * What a set takes for its own: all that is named. Nobody in particular only writes what is another
 * then: an export applied as it is changes nothing, whoever owns what is in it.
 */
function writtenFrom(document: ConfigDocument, view: View, set: string | null): readonly Entry[] {
  const all = entriesOf(document)
  if (set !== null) return all
  const changed = new Set(draftsOf(view).map(({ resource, id }) => placeOf(resource, id)))
  return all.filter(({ resource, id }) => changed.has(placeOf(resource, id)))
}

function refuseForeign(
  entries: readonly Entry[],
  now: Snapshot,
  set: string | null,
): Refusal | undefined {
  const owners = new Map<string, string>()
  for (const [owner, { spec }] of now.sets) {
    if (owner !== set) for (const member of spec.members) owners.set(member, owner)
  }
  const errors = entries.flatMap((entry): FieldProblem[] => {
    const owner = owners.get(memberOf(entry))
    if (owner === undefined) return []
    return [{ path: placeOf(entry.resource, entry.id), message: `belongs to the set ${owner}` }]
  })
  if (errors.length === 0) return undefined
  return refuse('owned_by_set', 'the document writes what belongs to another set', {
    errors: errors.slice(0, ERRORS_MAX),
  })
}

function writeAll(document: ConfigDocument, view: View): Refusal | undefined {
  const problems = entriesOf(document).flatMap(({ resource, id, spec }, index) => {
    const refusal = applyCommand({ op: 'put', resource, id, spec, ifMatch: null }, index, view)
    return refusal ? placed(refusal, placeOf(resource, id)) : []
  })
  if (problems.length === 0) return undefined
  const errors = problems.slice(0, ERRORS_MAX)
  return refuse('validation_failed', 'the configuration is not valid', { errors })
}

/** A refusal's problems, below their place in the document. */
function placed({ errors, message }: Refusal, place: string): readonly FieldProblem[] {
  if (!errors) return [{ path: place, message }]
  return errors.map((problem) => {
    const below = problem.path.replace(/^(spec\.?|id$)/, '')
    return { path: below === '' ? place : `${place}.${below}`, message: problem.message }
  })
}

/** Deletes what is in reach and not named; answers why not. */
function pruneRest(
  document: ConfigDocument,
  view: View,
  { set, force }: ApplyOptions,
): Refusal | undefined {
  const owned = set === null ? null : new Set(view.snapshot.sets.get(set)?.spec.members)
  let reached = 0
  const deleted: { readonly resource: ConfigResource; readonly id: string }[] = []
  for (const resource of PRUNED) {
    const named = document[DEFINITIONS[resource].plural] ?? {}
    for (const id of collection(view.snapshot, resource).keys()) {
      if (owned && !owned.has(memberOf({ resource, id }))) continue
      reached++
      if (!Object.hasOwn(named, id)) deleted.push({ resource, id })
    }
  }
  if (!force && deleted.length > reached * PRUNED_SHARE_MAX) {
    const share = `${deleted.length} of ${reached}`
    const message = `the document leaves out ${share}, which would be deleted`
    return refuse('prune_too_large', message)
  }
  for (const { resource, id } of deleted)
    view.pending[resource].set(id, { spec: null, command: -1 })
  noteDeleted(view, deleted, -1)
  disown(view)
  return undefined
}

/** The set has what the document names, and what it had and still is. */
function own(document: ConfigDocument, view: View, set: string): void {
  const before = view.snapshot.sets.get(set)?.spec.members ?? []
  const kept = before.filter((member) => isThere(view, member))
  const members = [...new Set([...kept, ...entriesOf(document).map(memberOf)])].sort()
  view.pending.set.set(set, { spec: { members }, command: -1 })
}
