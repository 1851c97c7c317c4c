import { KINDS, modelName, type Kind } from '@signalbox/model'
import { type Draft, type Fragment } from './document.ts'
import {
  apiKeyProblem,
  baseFor,
  hostOf,
  isUrl,
  kindByHost,
  sameUrl,
  urlMisfit,
} from './endpoint.ts'
import { isMapping, type Path, type Reader } from './reader.ts'
import { firstOf, misfit, outside } from './settings.ts'
import { idSource, slug } from './slug.ts'
import { plain } from './strategy-names.ts'

const BACKENDS: Path = ['backends']
const WEIGHTS: Path = ['routing', 'weights']
const URL_WANTED = 'expected an absolute URL such as http://127.0.0.1:11434'
const GENERIC: Kind = 'openai-compatible'

const KIND_BY_NAME: ReadonlyMap<string, Kind> = new Map([
  ...KINDS.map((kind) => [plain(kind), kind] as const),
  ['generic', GENERIC],
  ['custom', GENERIC],
  ['continuum', GENERIC],
  ['continuumrouter', GENERIC],
  ['azure', 'azure-openai'],
  ['google', 'gemini'],
  ['claude', 'anthropic'],
])

interface BackendDraft extends Draft {
  /** As the file says it, for the weights by URL. */
  readonly url: string
  /** As the file says it, for the prompts by name. */
  readonly name: string | undefined
}

export type BackendDrafts = ReadonlyMap<string, BackendDraft>

/** The backends by id, in the order of the file. */
export function readBackends(reader: Reader): BackendDrafts {
  const drafts = new Map<string, BackendDraft>()
  const idOf = idSource()
  for (const path of reader.items(BACKENDS)) {
    if (!isMapping(reader.at(path))) {
      reader.problem(path, 'expected a mapping with a url')
      continue
    }
    const draft = readBackend(reader, path)
    if (!draft) continue
    drafts.set(idOf(slug(draft.name ?? hostOf(draft.url), 'backend')), draft)
  }
  return drafts
}

function readBackend(reader: Reader, path: Path): BackendDraft | undefined {
  const at = (name: string): Path => [...path, name]
  const url = readUrl(reader, path)
  const key = reader.text(at('api_key'))
  const keyProblem = key ? apiKeyProblem(key) : undefined
  if (keyProblem) reader.problem(at('api_key'), keyProblem)
  const models = readModels(reader, at('models'))
  const said = {
    kind: readKind(reader, path),
    weight: readWeight(reader, at('weight')),
    enabled: reader.flag(at('enabled')),
    limits: readLimits(reader, at('max_concurrent_requests')),
  }
  const name = reader.text(at('name'))
  if (url === undefined) return undefined
  const kind = said.kind ?? kindByHost(url) ?? GENERIC
  const spec = present({ ...said, kind, url: baseFor(kind, url), models, apiKey: key || undefined })
  return { spec, origin: path, url, name }
}

function readUrl(reader: Reader, path: Path): string | undefined {
  const at = [...path, 'url']
  if (!reader.has(at)) return reader.problem(at, URL_WANTED)
  const url = reader.text(at)
  if (url === undefined) return undefined
  if (!isUrl(url)) return reader.problem(at, URL_WANTED)
  const why = urlMisfit(url)
  if (why !== undefined) reader.leave(path, why)
  return why === undefined ? url : undefined
}

function readKind(reader: Reader, path: Path): Kind | undefined {
  const at = firstOf(reader, [
    [...path, 'type'],
    [...path, 'kind'],
  ])
  const name = at && reader.text(at)
  if (!at || name === undefined) return undefined
  const kind = KIND_BY_NAME.get(plain(name))
  if (kind) return kind
  reader.leave(at, `not one of Signalbox's kinds (${KINDS.join(', ')}); taken as ${GENERIC}`)
  return GENERIC
}

/** Names, or mappings with an `id` or `name`. Undefined where none are given: they are found. */
function readModels(reader: Reader, path: Path): readonly string[] | undefined {
  const items = reader.items(path)
  if (items.length === 0) return undefined
  return items.flatMap((item) => {
    const at = isMapping(reader.at(item))
      ? firstOf(reader, [
          [...item, 'id'],
          [...item, 'name'],
        ])
      : item
    const name = at ? reader.text(at) : reader.problem(item, 'expected a name, or an id')
    if (!at || name === undefined) return []
    const parsed = modelName.safeParse(name)
    if (parsed.success) return [name]
    reader.leave(item, outside(parsed.error.issues[0]?.message ?? ''))
    return []
  })
}

function readWeight(reader: Reader, path: Path): number | undefined {
  const weight = reader.integer(path)
  const why = weight === undefined ? undefined : misfit('backend', { weight })
  if (why === undefined) return weight
  reader.leave(path, why)
  return undefined
}

function readLimits(reader: Reader, path: Path): Fragment | undefined {
  const concurrency = reader.integer(path)
  if (concurrency === undefined) return undefined
  const why = misfit('backend', { limits: { concurrency } })
  if (why === undefined) return { concurrency }
  reader.leave(path, why)
  return undefined
}

/** The drafts with the weights of `routing.weights`, which win over a backend's own. */
export function weighByUrl(reader: Reader, drafts: BackendDrafts): BackendDrafts {
  const weighed = new Map(drafts)
  const byUrl = Map.groupBy(drafts, ([, draft]) => sameUrl(draft.url))
  for (const name of reader.names(WEIGHTS)) {
    const path = [...WEIGHTS, name]
    const weight = readWeight(reader, path)
    const url = reader.expanded(path, name)
    if (url === undefined) continue
    if (!isUrl(url)) {
      reader.problem(path, 'expected the URL of a backend in front of the weight')
      continue
    }
    const meant = byUrl.get(sameUrl(url)) ?? []
    if (meant.length === 0) reader.leave(path, 'no backend of this file is imported with this URL')
    if (weight === undefined) continue
    for (const [id, draft] of meant) {
      const own = [...draft.origin, 'weight']
      if (reader.has(own)) reader.leave(own, 'routing.weights is read instead')
      weighed.set(id, { ...draft, spec: { ...draft.spec, weight } })
    }
  }
  return weighed
}

function present(spec: Fragment): Fragment {
  return Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== undefined))
}
