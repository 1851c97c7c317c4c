import { err, type Failure, ok, type Result } from '@signalbox/model'
import { type CompiledBackend, type CompiledRoute, match, mayUse } from '@signalbox/routing'
import { alongFallbacks } from '../attempts.ts'
import { downstream } from '../failures.ts'
import { type Passage, type Pipeline } from '../passage.ts'
import { modelInHeader, readRequest } from '../read-request.ts'
import { type Named } from './owned-ids.ts'
import { narrowed, routeToOwner } from './owner-route.ts'

const BACKEND_HEADER = 'x-signalbox-backend'
const NOT_READ = {
  scan: { ok: true, model: undefined, stream: false },
  body: Buffer.alloc(0),
  upload: undefined,
} as const

/** What no key could be given any more, or never was: one answer for all of it. */
export const UNKNOWN_ID = downstream('unknown_id', 'there is nothing of this id')

/** The one backend that a body's ids point to; undefined where it has none. */
export function ownerIn({ owners, unknown }: Named): Result<string | undefined, Failure> {
  if (unknown) return err(UNKNOWN_ID)
  const [first, ...more] = new Set(owners.map(({ backend }) => backend))
  if (more.length > 0) {
    return err(downstream('unknown_id', 'the ids of the request are of different backends'))
  }
  return ok(first)
}

/** A request that names no model: it goes to who has what it names, or to whom it says. */
export async function passToOwner(
  pipeline: Pipeline,
  passage: Passage,
): Promise<Failure | undefined> {
  const { operation } = passage
  passage.routing = pipeline.configuration.current()
  const read = operation.bodyless ? ok(NOT_READ) : await readRequest(pipeline, passage)
  if (!read.ok) return read.error
  const { scan, body, upload } = read.value
  const named = pipeline.ids.namedIn(body, keyOf(passage))
  const route = routeFor(pipeline, passage, named)
  if (!route.ok) return route.error
  passage.cursors = cursorsOf(pipeline, passage)
  passage.route = route.value
  const asked = { scan, body, upload, edits: named.edits, route: route.value }
  return alongFallbacks(pipeline, passage, asked)
}

/** An id that is not ours may be of an item inside of something that is. */
function cursorsOf({ ids }: Pipeline, passage: Passage): NonNullable<Passage['cursors']> {
  const given = new URLSearchParams(passage.request.url?.split('?')[1] ?? '')
  return ['after', 'before'].flatMap((name) => {
    const id = given.get(name)
    return id === null ? [] : [[name, ids.read(id, keyOf(passage))?.id ?? id] as const]
  })
}

export function keyOf({ key }: Passage): string {
  return key?.id ?? ''
}

function routeFor(
  pipeline: Pipeline,
  passage: Passage,
  named: Named,
): Result<CompiledRoute, Failure> {
  const { operation, pathId } = passage
  if (pathId !== undefined) {
    const owner = pipeline.ids.read(pathId, keyOf(passage))
    if (!owner) return err(UNKNOWN_ID)
    passage.ownId = owner.id
    return toBackend(passage, owner.backend)
  }
  if (operation.anyModel && passage.key?.routes) {
    const message = 'the key is for some models, and a batch may ask for any'
    return err(downstream('key_not_allowed', message))
  }
  const owner = ownerIn(named)
  if (!owner.ok) return owner
  if (owner.value !== undefined) return toBackend(passage, owner.value)
  if (operation.lists && passage.key) {
    const message = 'a list would show what is not of this key'
    return err(downstream('key_not_allowed', message))
  }
  return asChosen(passage)
}

function toBackend({ routing }: Passage, id: string): Result<CompiledRoute, Failure> {
  const backend = routing?.table.backendById.get(id)
  return backend ? ok(routeToOwner(backend)) : err(UNKNOWN_ID)
}

/** By headers: a backend, or a model whose route chooses one; else the only one that there is. */
function asChosen(passage: Passage): Result<CompiledRoute, Failure> {
  const { request, routing, key, operation } = passage
  if (!routing) return err(UNKNOWN_ID)
  const { table, live } = routing
  const serves = ({ index }: CompiledBackend) => live[index]?.paths.has(operation.path) === true
  const model = modelInHeader(request)
  const header = request.headers[BACKEND_HEADER]
  const routes = [...new Set(table.routes.values())]
  const mine = key ? routes.filter((one) => mayUse(key, one, one.id)) : routes
  const backends = new Map(
    mine
      .flatMap(({ tiers }) => tiers.flatMap(({ targets }) => targets))
      .map(({ backend }) => [backend.id, backend]),
  )
  if (typeof header === 'string') {
    const backend = backends.get(header)
    return backend ? ok(routeToOwner(backend)) : err(notFound(header))
  }
  if (model !== undefined) {
    const route = match(table, model)
    if (!route || (key && !mayUse(key, route, model))) return err(notFound(model))
    const targets = route.tiers.flatMap(({ targets }) => targets)
    const able = targets.filter(({ backend }) => serves(backend))
    const only = able[0] && able.every(({ backend }) => backend === able[0]?.backend)
    if (only && able[0]) return ok(narrowed(route, able[0].backend.id) ?? route)
    return ok(route)
  }
  const [only, ...more] = [...backends.values()].filter(serves)
  if (only && more.length === 0) return ok(routeToOwner(only))
  const message = `say whose by the header x-signalbox-model or ${BACKEND_HEADER}`
  return err(downstream('missing_model', message))
}

function notFound(name: string): Failure {
  return downstream('model_not_found', `there is no ${JSON.stringify(name.slice(0, 255))}`)
}
