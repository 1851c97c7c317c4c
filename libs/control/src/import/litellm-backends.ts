import { mergePatch } from '../merge-patch.ts'
import { type Draft, type Fragment } from './document.ts'
import { sameUrl } from './endpoint.ts'
import { type Deployment } from './litellm-deployments.ts'
import { type Reader } from './reader.ts'
import { idSource, slug } from './slug.ts'

export interface LiteLlmBackends {
  readonly drafts: ReadonlyMap<string, Draft>
  readonly idOf: ReadonlyMap<Deployment, string>
}

const SHARED = 'several deployments share this backend, whose limit would be for all of them'

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
  const [{ endpoint, apiKey, concurrency }] = users
  const discovers = users.some(({ name }) => name === undefined)
  const limited = users.length === 1 && concurrency !== undefined
  if (users.length > 1) {
    for (const { path, concurrency: said } of users) {
      const at = [...path, 'litellm_params', 'max_parallel_requests']
      if (said !== undefined) reader.leave(at, SHARED)
    }
  }
  return {
    kind: endpoint.kind,
    url: endpoint.url,
    models: discovers ? 'discover' : [],
    ...(limited ? { limits: { concurrency } } : {}),
    ...(apiKey === undefined ? {} : { apiKey }),
  }
}

export function withCommon(drafts: ReadonlyMap<string, Draft>, common: Fragment) {
  return new Map(
    [...drafts].map(([id, draft]) => {
      return [id, { ...draft, spec: mergePatch(common, draft.spec) as Fragment }]
    }),
  )
}
