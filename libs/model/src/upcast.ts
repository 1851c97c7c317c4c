import { EVENT_SCHEMA, type Event, type RevisionBody } from './event.ts'
import { type ReleaseSpec } from './release.ts'
import { parseSpec, type ResourceName, type Spec } from './resource.ts'

/*
 * What was written stays as it was written: the bytes of a revision are hashed. A reader makes the
 * spec of today out of the spec of then. Most changes of a shape are new members with a default,
 * and need nothing but the number: the default is filled in. Where a member is renamed or means
 * something else, STEPS gets a function from the number before to it. Each number has its golden
 * specs under fixtures/, which must be readable for ever (upcast.spec.ts).
 */

type Step = (spec: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>

/** From the schema of this number to the next, where defaults alone do not do. */
const STEPS: Readonly<Partial<Record<ResourceName, ReadonlyMap<number, Step>>>> = {}

/** A spec as this version has it. Throws where it cannot be one: then the log is not to be read. */
export function upcastSpec(resource: ResourceName, spec: Spec, schema: number): Spec {
  if (schema >= EVENT_SCHEMA) return spec
  let data: Readonly<Record<string, unknown>> = spec as unknown as Record<string, unknown>
  for (let from = schema; from < EVENT_SCHEMA; from++) {
    data = STEPS[resource]?.get(from)?.(data) ?? data
  }
  const parsed = parseSpec(resource, resource === 'release' ? upcastBefore(data, schema) : data)
  if (parsed.ok) return parsed.value
  const [first] = parsed.error
  const where = `${first?.path}: ${first?.message}`
  throw new Error(`a ${resource} of schema ${schema} cannot be read: ${where}`)
}

/** A release that is open holds whole resources, of the schema in which it was written. */
function upcastBefore(
  data: Readonly<Record<string, unknown>>,
  schema: number,
): Readonly<Record<string, unknown>> {
  const { changes } = data as Pick<ReleaseSpec, 'changes'>
  const brought = changes.map((one) => {
    const { resource, before } = one
    if (!before) return one
    return { ...one, before: { ...before, spec: upcastSpec(resource, before.spec, schema) } }
  })
  return { ...data, changes: brought }
}

/** The same of each event of a revision. Never for hashing: the bytes are what they were. */
export function upcastBody(body: RevisionBody): RevisionBody {
  if (body.events.every(({ schema }) => schema >= EVENT_SCHEMA)) return body
  return { ...body, events: body.events.map(upcastEvent) }
}

function upcastEvent(event: Event): Event {
  const { resource, spec, schema } = event
  if (spec === null) return event
  return { ...event, spec: upcastSpec(resource, spec, schema), schema: EVENT_SCHEMA }
}
