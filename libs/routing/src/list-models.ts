import { type Snapshot } from '@signalbox/model'
import { type CompiledRoute, type ListedModel } from './table.ts'
import { utcSeconds } from './utc-seconds.ts'

/** Owner of a model that several backends answer for. */
const SEVERAL = 'signalbox'

/** Every name that can be asked for, aliases included, sorted by name (UTF-16 code units). */
export function listModels(
  routes: ReadonlyMap<string, CompiledRoute>,
  snapshot: Snapshot,
): readonly ListedModel[] {
  const createdSOf = rememberSeconds()
  const models: ListedModel[] = []
  for (const id of [...routes.keys()].sort()) {
    const route = routes.get(id)
    if (!route) continue
    const createdS = createdSOf(createdAt(route, snapshot))
    models.push({ id, ownedBy: ownerOf(route), createdS })
  }
  return models
}

function ownerOf(route: CompiledRoute): string {
  let owner: string | undefined
  for (const { targets } of route.tiers) {
    for (const { backend } of targets) {
      if (owner !== undefined && owner !== backend.id) return SEVERAL
      owner = backend.id
    }
  }
  return owner ?? SEVERAL
}

/** When the route was created; for an implicit one, the first of its backends. */
function createdAt(route: CompiledRoute, { routes, backends }: Snapshot): string {
  if (!route.implicit) return routes.get(route.id)?.createdAt ?? ''
  let earliest = ''
  for (const { targets } of route.tiers) {
    for (const { backend } of targets) {
      const at = backends.get(backend.id)?.createdAt ?? ''
      if (earliest === '' || at < earliest) earliest = at
    }
  }
  return earliest
}

/** Many resources are created by one change, at one time. */
function rememberSeconds(): (time: string) => number {
  const known = new Map<string, number>()
  return (time) => {
    const seconds = known.get(time) ?? utcSeconds(time)
    known.set(time, seconds)
    return seconds
  }
}
