import {
  assertNever,
  err,
  ok,
  parseId,
  parseSpec,
  refuse,
  type Draft,
  type FieldProblem,
  type Refusal,
  type ResourceName,
  type Result,
  type Snapshot,
  type Spec,
} from '@signalbox/model'
import { allowProblems } from './addresses.ts'
import { type Command, type IfMatch } from './command.ts'
import { keepCredential, maskedProblem, movedProblem } from './credential.ts'
import { keepIdentity } from './identity.ts'
import { isObject, mergePatch } from './merge-patch.ts'
import { checkMembers, disown, disownIn, noteDeleted } from './membership.ts'
import { checkReferences, type LocatedRefusal } from './references.ts'
import { referringTo, withoutPrompts } from './referring.ts'
import { keepSecret } from './secret.ts'
import { draftsOf, openView, specIn, storedIn, type View } from './view.ts'

/** How many field problems one refusal carries. */
export const ERRORS_MAX = 100

/**
 * What one command changes: no draft where the stored spec is already the wanted one, or the reason
 * why it may not. `version` counts from the snapshot; the store corrects it for an id that existed
 * before. Field paths start at the body's top: `id`, `spec.limits.connections`.
 */
export function decide(command: Command, snapshot: Snapshot): Result<readonly Draft[], Refusal> {
  const view = openView(snapshot)
  const refusal = applyCommand(command, 0, view) ?? settled(view)?.refusal
  return refusal ? err(capped(refusal)) : ok(draftsOf(view))
}

/**
 * Several commands as one change, all or nothing. Each sees what the earlier ones wrote; references
 * and names are looked at once, when all are applied. The drafts are the net effect, at most one a
 * resource. A refusal's paths name the command: `operations.2.spec.url`.
 */
export function decideAll(
  commands: readonly Command[],
  snapshot: Snapshot,
): Result<readonly Draft[], Refusal> {
  const view = openView(snapshot)
  for (const [index, command] of commands.entries()) {
    const refusal = applyCommand(command, index, view)
    if (refusal) return err(inOperation(index, refusal))
  }
  const broken = settled(view)
  return broken ? err(inOperation(broken.command, broken.refusal)) : ok(draftsOf(view))
}

/** What is left to do and to look at once, when all commands are applied. */
function settled(view: View): LocatedRefusal | undefined {
  disown(view)
  return checkReferences(view) ?? checkMembers(view)
}

function inOperation(index: number, refusal: Refusal): Refusal {
  const root = `operations.${index}`
  const errors = refusal.errors?.map(({ path, message }) => ({ path: `${root}.${path}`, message }))
  return capped({ ...refusal, errors: errors ?? [{ path: root, message: refusal.message }] })
}

function capped(refusal: Refusal): Refusal {
  return refusal.errors ? { ...refusal, errors: refusal.errors.slice(0, ERRORS_MAX) } : refusal
}

/** Lays one command's write over the view; answers why not. References are not looked at here. */
export function applyCommand(command: Command, index: number, view: View): Refusal | undefined {
  const wanted = wantedBy(command, view)
  if (!wanted.ok) return wanted.error
  const { id, spec } = wanted.value
  if (command.op === 'delete') remove(command, index, view)
  else view.pending[command.resource].set(id, { spec, command: index })
  return undefined
}

/** A cascade deletes all that refers to it, but for policies: they lose prompts for backends. */
function remove(
  { resource, id, cascade = false }: Extract<Command, { op: 'delete' }>,
  command: number,
  view: View,
): void {
  const deleted = [...(cascade ? referringTo(view, resource, id) : []), { resource, id }]
  const backends = new Set(deleted.flatMap((one) => (one.resource === 'backend' ? one.id : [])))
  const loses = cascade && backends.size > 0
  const prompted = loses ? [...withoutPrompts(view, (_, name) => backends.has(name))] : []
  for (const [name, spec] of prompted) view.pending.policy.set(name, { spec, command })
  for (const one of deleted) view.pending[one.resource].set(one.id, { spec: null, command })
  noteDeleted(view, deleted, command)
}

interface Wanted {
  readonly id: string
  /** null: it shall not exist. */
  readonly spec: Spec | null
}

function wantedBy(command: Command, view: View): Result<Wanted, Refusal> {
  switch (command.op) {
    case 'create':
      return wantedByCreate(command, view)
    case 'put':
      return wantedByPut(command, view)
    case 'patch':
      return wantedByPatch(command, view)
    case 'delete': {
      const refusal = missing(command, view) ?? stale(command, view)
      return refusal ? err(refusal) : ok({ id: command.id, spec: null })
    }
    default:
      return assertNever(command)
  }
}

function wantedByCreate(
  { resource, id, spec }: Extract<Command, { op: 'create' }>,
  view: View,
): Result<Wanted, Refusal> {
  const parsed = parseId(resource, id)
  if (!parsed.ok) {
    // All that is wrong at once: the spec is looked at as well.
    const wanted = read({ resource, id: '', input: spec, before: null })
    const errors = [...parsed.error, ...(wanted.ok ? [] : (wanted.error.errors ?? []))]
    return err(invalid(`the ${resource} is not valid`, errors))
  }
  if (specIn(view, resource, parsed.value) !== null) {
    return err(refuse('already_exists', `${resource} ${parsed.value} already exists`))
  }
  return read({ resource, id: parsed.value, input: spec, before: null })
}

function wantedByPut(
  command: Extract<Command, { op: 'put' }>,
  view: View,
): Result<Wanted, Refusal> {
  const { resource, id, spec } = command
  const parsed = parseId(resource, id)
  if (!parsed.ok) return err(invalid(`the id of the ${resource} is not valid`, parsed.error))
  const refusal = stale(command, view)
  if (refusal) return err(refusal)
  return read({ resource, id, input: spec, before: specIn(view, resource, id) })
}

function wantedByPatch(
  command: Extract<Command, { op: 'patch' }>,
  view: View,
): Result<Wanted, Refusal> {
  const { resource, id, patch } = command
  const refusal = missing(command, view) ?? stale(command, view)
  if (refusal) return err(refusal)
  if (resource === 'set') disownIn(view, id)
  const before = specIn(view, resource, id)
  // Looked at before merging: a fingerprint merged into the stored credential would look whole.
  const masked = maskedProblem(patch, before)
  if (masked) return err(invalidSpec(resource, id, [masked]))
  const { rotates = false } = command
  const input = mergePatch(patched(before, patch), patch)
  return read({ resource, id, input, before, rotates })
}

/** What a patch is laid over: one form of a credential does not merge with the other. */
function patched(before: Spec | null, patch: unknown): unknown {
  if (before === null || !('credential' in before)) return before
  if (!isObject(patch) || !isObject(patch['credential'])) return before
  const { credential: _, ...rest } = before
  return rest
}

interface Reading {
  readonly resource: ResourceName
  readonly id: string
  readonly input: unknown
  readonly before: Spec | null
  /** The hashes in the input are new ones. */
  readonly rotates?: boolean
}

function read(reading: Reading): Result<Wanted, Refusal> {
  const { resource, id, before } = reading
  const invalidIn = (problem: FieldProblem) => err(invalidSpec(resource, id, [problem]))
  const kept = keepWriteOnly(reading)
  if ('problem' in kept) return invalidIn(kept.problem)
  const parsed = parseSpec(resource, kept.input)
  if (!parsed.ok) return err(invalidSpec(resource, id, parsed.error))
  const shutOff = resource === 'settings' ? allowProblems(parsed.value, before) : []
  if (shutOff.length > 0) return err(invalidSpec(resource, id, shutOff))
  if (resource !== 'backend') return ok({ id, spec: parsed.value })
  const moved = movedProblem(reading.input, { spec: parsed.value, stored: before })
  return moved ? invalidIn(moved) : ok({ id, spec: parsed.value })
}

/** The input with what people are not shown and so cannot send. */
function keepWriteOnly({ resource, input, before, rotates = false }: Reading): Kept {
  if (resource === 'backend') {
    const problem = maskedProblem(input, before)
    return problem ? { problem } : { input: keepCredential(input, before) }
  }
  if (resource === 'secret') return keepSecret(input, before)
  if (resource !== 'key' && resource !== 'principal') return { input }
  return keepIdentity(input, rotates ? null : before)
}

type Kept = { readonly input: unknown } | { readonly problem: FieldProblem }

function missing(command: Target, view: View): Refusal | undefined {
  if (specIn(view, command.resource, command.id) !== null) return undefined
  return refuse('not_found', `${command.resource} ${command.id} does not exist`)
}

interface Target {
  readonly resource: ResourceName
  readonly id: string
  readonly ifMatch: IfMatch
}

/** RFC 9110, 13.1.1: If-Match fails where nothing exists, `*` included. */
function stale({ resource, id, ifMatch }: Target, view: View): Refusal | undefined {
  if (ifMatch === null) return undefined
  const name = `${resource} ${id}`
  if (specIn(view, resource, id) === null) {
    return refuse('precondition_failed', `${name} does not exist, so If-Match cannot hold`)
  }
  const stored = storedIn(view, resource, id)
  if (ifMatch === '*' || stored?.revision === ifMatch) return undefined
  const message = stored
    ? `${name} is at revision ${stored.revision}, not ${ifMatch}`
    : `${name} is new in this change and has no revision yet`
  return refuse('precondition_failed', message, stored ? { current: stored } : {})
}

function invalidSpec(resource: ResourceName, id: string, errors: readonly FieldProblem[]): Refusal {
  return invalid(`the spec of ${resource} ${id} is not valid`, errors)
}

function invalid(message: string, errors: readonly FieldProblem[]): Refusal {
  return refuse('validation_failed', message, { errors })
}
