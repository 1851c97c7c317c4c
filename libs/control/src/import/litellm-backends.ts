import { mergePatch } from '../merge-patch.ts'
import { type Draft, type Fragment } from './document.ts'
import { sameUrl } from './endpoint.ts'
import { type Deployment } from './litellm-deployments.ts'
import { pricePlaces } from './litellm-price.ts'
import { type Reader } from './reader.ts'
import { idSource, slug } from './slug.ts'

export interface LiteLlmBackends {
  readonly drafts: ReadonlyMap<string, Draft>
  readonly idOf: ReadonlyMap<Deployment, string>
}

const SHARED = 'several deployments share this backend, whose limit would be for all of them'
const PRICES =
  'the deployments of this backend do not all say the same price, and in Signalbox it has one'

/**
 * One backend for all deployments of one address, kind and key. It lists no models: LiteLLM serves
 * the names of model_list and no others, and those are routes. One of `*` discovers them.
 */
export function backendsOf(reader: Reader, deployments: readonly Deployment[]): LiteLlmBackends {
  const groups = Map.groupBy(deployments, ({ endpoint: { kind, url }, apiKey }) =>
    JSON.stringify([kind, sameUrl(url), apiKey ?? null]),
  )
  const newId = idSource()
  const drafts = new Map<string, Draft>()
  const idOf = new Map<Deployment, string>()
  for (const [first, ...others] of groups.values()) {
    if (!first) continue
    const id = newId(slug(first.endpoint.title, first.endpoint.kind))
    drafts.set(id, { spec: specOf(reader, [first, ...others]), origin: first.path })
    for (const deployment of [first, ...others]) idOf.set(deployment, id)
  }
  return { drafts, idOf }
}

function specOf(reader: Reader, users: readonly [Deployment, ...Deployment[]]): Fragment {
  const [{ endpoint, apiKey }] = users
  const discovers = users.some(({ name }) => name === undefined)
  const limits = limitsOf(reader, users)
  const price = priceOf(reader, users)
  return {
    kind: endpoint.kind,
    url: endpoint.url,
    models: discovers ? 'discover' : [],
    ...(Object.keys(limits).length > 0 ? { limits } : {}),
    ...(price === undefined ? {} : { price }),
    ...(apiKey === undefined ? {} : { apiKey }),
  }
}

/** Only of the one deployment that has the backend for itself. */
function limitsOf(reader: Reader, users: readonly Deployment[]): Fragment {
  let limits: Fragment = {}
  for (const { path, limits: said } of users) {
    for (const [key, part] of said) {
      if (users.length === 1) limits = { ...limits, ...part }
      else reader.leave([...path, 'litellm_params', key], SHARED)
    }
  }
  return limits
}

function priceOf(reader: Reader, users: readonly Deployment[]): Fragment | undefined {
  const said = new Set(users.map(({ price }) => JSON.stringify(price)))
  if (said.size === 1) return users[0]?.price
  for (const { path, price } of users) {
    if (price === undefined) continue
    for (const [, at] of pricePlaces(reader, path)) reader.leave(at, PRICES)
  }
  return undefined
}

export function withCommon(drafts: ReadonlyMap<string, Draft>, common: Fragment) {
  return new Map(
    [...drafts].map(([id, draft]) => {
      return [id, { ...draft, spec: mergePatch(common, draft.spec) as Fragment }]
    }),
  )
}
