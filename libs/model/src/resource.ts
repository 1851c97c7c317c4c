import type * as z from 'zod'
import { backendSpec, type BackendSpec } from './backend.ts'
import { modelName, resourceId } from './fields.ts'
import {
  keySpec,
  type KeySpec,
  principalId,
  principalSpec,
  type PrincipalSpec,
} from './identity.ts'
import { policySpec, type PolicySpec } from './policy.ts'
import { releaseId, releaseSpec, type ReleaseSpec } from './release.ts'
import { type FieldProblem } from './refusal.ts'
import { err, ok, type Result } from './result.ts'
import { routeSpec, type RouteSpec } from './route.ts'
import { secretId, secretSpec, type SecretSpec } from './secret.ts'
import { settingsId, settingsSpec, type SettingsSpec } from './settings.ts'
import { setSpec, type SetSpec } from './set.ts'

/** The kinds of thing that can be configured. The singular is the word in events and audit. */
export const RESOURCES = [
  'backend',
  'route',
  'policy',
  'set',
  'key',
  'principal',
  'settings',
  'secret',
  'release',
] as const
export type ResourceName = (typeof RESOURCES)[number]

/** Those that people write as they are. A release is made and ended by calls of its own. */
export const WRITABLE = RESOURCES.filter((name) => name !== 'release')
export type WritableName = Exclude<ResourceName, 'release'>

export interface SpecOf {
  readonly secret: SecretSpec
  readonly backend: BackendSpec
  readonly route: RouteSpec
  readonly policy: PolicySpec
  readonly set: SetSpec
  readonly key: KeySpec
  readonly principal: PrincipalSpec
  readonly settings: SettingsSpec
  readonly release: ReleaseSpec
}
export type Spec = SpecOf[ResourceName]

/** Which resource: of what kind, and its id. */
export interface Named {
  readonly resource: ResourceName
  readonly id: string
}

/** One configured thing at one revision. `revision` is the last one that changed it. */
export interface Resource<Name extends ResourceName = ResourceName> {
  readonly id: string
  /** Counts the changes of this one resource: 1, 2, 3 ... also across delete and re-create. */
  readonly version: number
  readonly revision: number
  /** RFC 3339, UTC. */
  readonly createdAt: string
  readonly updatedAt: string
  readonly spec: SpecOf[Name]
}

/** Where each resource lives in URLs, its id's shape and its spec's shape. */
export const DEFINITIONS = {
  secret: { plural: 'secrets', id: secretId, spec: secretSpec },
  backend: { plural: 'backends', id: resourceId, spec: backendSpec },
  route: { plural: 'routes', id: modelName, spec: routeSpec },
  policy: { plural: 'policies', id: resourceId, spec: policySpec },
  set: { plural: 'sets', id: resourceId, spec: setSpec },
  key: { plural: 'keys', id: resourceId, spec: keySpec },
  principal: { plural: 'principals', id: principalId, spec: principalSpec },
  settings: { plural: 'settings', id: settingsId, spec: settingsSpec },
  release: { plural: 'releases', id: releaseId, spec: releaseSpec },
} as const satisfies Record<ResourceName, { plural: string; id: z.ZodType; spec: z.ZodType }>

/** `backends` of `backend`: the name of the collection, in a snapshot as in a path. */
export type PluralOf<Name extends ResourceName> = (typeof DEFINITIONS)[Name]['plural']

/** Reads an untrusted spec: defaults filled in, every unknown or wrong field named. */
export function parseSpec<Name extends ResourceName>(
  name: Name,
  input: unknown,
): Result<SpecOf[Name], readonly FieldProblem[]> {
  const parsed = DEFINITIONS[name].spec.safeParse(input ?? undefined)
  if (parsed.success) return ok(parsed.data as SpecOf[Name])
  return err(fieldProblems(parsed.error, 'spec'))
}

/** Reads an untrusted id. */
export function parseId(
  name: ResourceName,
  input: unknown,
): Result<string, readonly FieldProblem[]> {
  const parsed = DEFINITIONS[name].id.safeParse(input)
  return parsed.success ? ok(parsed.data) : err(fieldProblems(parsed.error, 'id'))
}

/**
 * zod's issues as dotted paths below `root`. A union is reported by the member that came closest.
 */
export function fieldProblems(error: z.ZodError, root: string): readonly FieldProblem[] {
  return error.issues.flatMap((issue) => flatten(issue, root === '' ? [] : [root]))
}

function flatten(issue: z.core.$ZodIssue, above: readonly PropertyKey[]): FieldProblem[] {
  const path = [...above, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key].join('.'), message: issue.message }))
  }
  if (issue.code === 'invalid_key') return issue.issues.flatMap((inner) => flatten(inner, path))
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const deepest = issue.errors.reduce((a, b) => (depth(b) > depth(a) ? b : a))
    if (depth(deepest) > 0) return deepest.flatMap((inner) => flatten(inner, path))
    const wanted = issue.errors.flat().map((inner) => inner.message)
    return [{ path: path.join('.'), message: [...new Set(wanted)].join(', or ') }]
  }
  return [{ path: path.join('.'), message: issue.message }]
}

function depth(issues: readonly z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.length))
}
