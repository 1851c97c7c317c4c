import {
  err,
  ok,
  parseId,
  parseSpec,
  type FieldProblem,
  type ResourceName,
  type Result,
} from '@signalbox/model'
import { type ConfigDocument } from '../config.ts'
import { type Path, type Reader } from './reader.ts'

/** What the other program was told and Signalbox was not. `path` is as in the foreign file. */
export interface Unmapped {
  readonly path: string
  readonly why: string
}

export interface Imported {
  readonly config: Required<Pick<ConfigDocument, 'backends' | 'routes' | 'policies'>>
  readonly unmapped: readonly Unmapped[]
}

export type ImportResult = Result<Imported, readonly FieldProblem[]>
export type Env = Readonly<Record<string, string | undefined>>

/** A part of a spec, or a whole one before it is parsed. */
export type Fragment = Readonly<Record<string, unknown>>

/** A spec on its way, and what in the foreign file it came from. */
export interface Draft {
  readonly spec: Fragment
  readonly origin: Path
}

export interface Drafts {
  readonly backends: ReadonlyMap<string, Draft>
  readonly routes: ReadonlyMap<string, Draft>
  readonly policies: ReadonlyMap<string, Draft>
}

/** The document, or all that was wrong. What nobody looked at is unmapped, with its reason. */
export function finish(
  reader: Reader,
  { backends, routes, policies }: Drafts,
  reasonOf: (path: Path) => string,
): ImportResult {
  const config = {
    backends: specsOf('backend', backends, reader),
    routes: specsOf('route', routes, reader),
    policies: specsOf('policy', policies, reader),
  }
  if (reader.problems.length > 0) return err(reader.problems)
  return ok({ config, unmapped: reader.unmapped(reasonOf) })
}

/**
 * Values were checked one by one where they were read. This is for what only the whole shows: more
 * targets, aliases or models than a spec may have.
 */
function specsOf(
  resource: ResourceName,
  drafts: ReadonlyMap<string, Draft>,
  reader: Reader,
): Record<string, unknown> {
  for (const [id, { spec, origin }] of drafts) {
    const { apiKey: _, ...parsable } = spec
    for (const parsed of [parseId(resource, id), parseSpec(resource, parsable)]) {
      if (parsed.ok) continue
      for (const { path, message } of parsed.error) {
        reader.problem(origin, `${resource} ${id} would not be valid: ${path}: ${message}`)
      }
    }
  }
  return Object.fromEntries([...drafts].map(([id, { spec }]) => [id, spec]))
}
