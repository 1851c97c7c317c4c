import { modelName } from '@signalbox/model'
import { type RouteDraft, type Tier } from './litellm-routes.ts'
import { isMapping, type Path, type Reader } from './reader.ts'
import { firstOf, outside } from './settings.ts'

type Routes = ReadonlyMap<string, RouteDraft>

const ALIASES: Path = ['router_settings', 'model_group_alias']
const TIERS_MAX = 10
const TOO_LONG = `a route has at most ${TIERS_MAX} tiers`
const NO_ROUTE = 'no deployment of this model is imported'
const LIKE_TIERS =
  'taken as further tiers: used where no backend of the model can be reached. LiteLLM also ' +
  'falls back after an error that a backend answered, which Signalbox passes on'

/** The routes with the names of model_group_alias. */
export function withAliases(reader: Reader, routes: Routes): Routes {
  const aliases = new Map<RouteDraft, string[]>()
  for (const alias of reader.names(ALIASES)) {
    const path = [...ALIASES, alias]
    const model = readAliased(reader, path)
    if (model === undefined) continue
    const route = routes.get(model)
    const why = route ? aliasMisfit(alias, routes) : NO_ROUTE
    if (route && why === undefined) {
      const all = aliases.get(route)
      if (all) all.push(alias)
      else aliases.set(route, [alias])
    } else reader.leave(path, why ?? NO_ROUTE)
  }
  return new Map(
    [...routes].map(([id, route]) => [id, { ...route, aliases: aliases.get(route) ?? [] }]),
  )
}

function readAliased(reader: Reader, path: Path): string | undefined {
  if (!isMapping(reader.at(path))) return reader.text(path)
  const at = [...path, 'model']
  if (!reader.has(at)) return reader.problem(at, 'expected a model')
  const hidden = [...path, 'hidden']
  if (reader.flag(hidden)) reader.leave(hidden, 'Signalbox lists every name that it answers to')
  return reader.text(at)
}

function aliasMisfit(alias: string, routes: Routes): string | undefined {
  if (routes.has(alias)) return 'model_list has a model of this name, and its route has the name'
  const parsed = modelName.safeParse(alias)
  return parsed.success ? undefined : outside(parsed.error.issues[0]?.message ?? '')
}

interface Fallback {
  readonly path: Path
  readonly route: RouteDraft
}

interface Fallbacks {
  readonly bySource: ReadonlyMap<RouteDraft, readonly Fallback[]>
  readonly others: readonly Fallback[]
}

/** The routes with the tiers of the models that they fall back to. */
export function withFallbacks(reader: Reader, routes: Routes): Routes {
  const { bySource, others } = readFallbacks(reader, routes)
  return new Map(
    [...routes].map(([id, route]) => {
      const given = bySource.get(route)
      const own = given?.filter((fallback) => {
        if (fallback.route === route) reader.leave(fallback.path, 'a model has itself already')
        return fallback.route !== route
      })
      const chain = own ?? others.filter((fallback) => fallback.route !== route)
      return [id, { ...route, tiers: chained(reader, route, chain) }]
    }),
  )
}

function chained(
  reader: Reader,
  route: RouteDraft,
  fallbacks: readonly Fallback[],
): readonly Tier[] {
  let tiers = route.tiers
  for (const { path, route: other } of fallbacks) {
    const longer = [...tiers, ...other.tiers]
    if (longer.length <= TIERS_MAX) tiers = longer
    else reader.leave(path, TOO_LONG)
  }
  return tiers
}

function readFallbacks(reader: Reader, routes: Routes): Fallbacks {
  const byName = new Map<string, RouteDraft>()
  for (const [id, route] of routes)
    for (const name of [id, ...route.aliases]) byName.set(name, route)
  const bySource = new Map<RouteDraft, readonly Fallback[]>()
  const general = firstOf(reader, settingPaths('default_fallbacks'))
  let others = general ? readList(reader, general, byName) : []
  const lists = firstOf(reader, settingPaths('fallbacks'))
  for (const item of lists ? reader.items(lists) : []) {
    for (const source of reader.names(item)) {
      const path = [...item, source]
      const route = byName.get(source)
      if (source === '*') others = [...others, ...readList(reader, path, byName)]
      else if (!route) reader.leave(path, NO_ROUTE)
      else {
        const list = readList(reader, path, byName)
        bySource.set(route, [...(bySource.get(route) ?? []), ...list])
      }
    }
  }
  for (const path of [general, lists]) if (path) reader.leave(path, LIKE_TIERS)
  for (const { path } of others.slice(TIERS_MAX)) reader.leave(path, TOO_LONG)
  return { bySource, others: others.slice(0, TIERS_MAX) }
}

function settingPaths(key: string): readonly Path[] {
  return [
    ['router_settings', key],
    ['litellm_settings', key],
  ]
}

function readList(
  reader: Reader,
  path: Path,
  byName: ReadonlyMap<string, RouteDraft>,
): readonly Fallback[] {
  return reader.items(path).flatMap((item) => {
    if (isMapping(reader.at(item))) {
      reader.leave(item, 'a fallback with parameters of its own; Signalbox has names alone')
      return []
    }
    const name = reader.text(item)
    const route = name === undefined ? undefined : byName.get(name)
    if (name !== undefined && !route) reader.leave(item, NO_ROUTE)
    return route ? [{ path: item, route }] : []
  })
}
