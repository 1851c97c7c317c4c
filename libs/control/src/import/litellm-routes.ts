import { canonicalJson, DEFAULT_POLICY_ID, type Target } from '@signalbox/model'
import { mergePatch } from '../merge-patch.ts'
import { type Draft, type Fragment } from './document.ts'
import { OVERRIDE_KEYS, type Deployment } from './litellm-deployments.ts'
import { type Path, type Reader } from './reader.ts'
import { idSource, slug } from './slug.ts'

export interface Tier {
  readonly targets: readonly Target[]
}

/** A route while it is put together. */
export interface RouteDraft {
  readonly origin: Path
  readonly aliases: readonly string[]
  readonly tiers: readonly Tier[]
  readonly policy: string | undefined
}

export interface RoutesAndPolicies {
  readonly routes: ReadonlyMap<string, RouteDraft>
  readonly policies: ReadonlyMap<string, Draft>
}

export interface Ground {
  readonly idOf: ReadonlyMap<Deployment, string>
  /** The policy `default`: what holds where a model says nothing of its own. */
  readonly policy: Fragment
  /** Whether weights count: they do under simple-shuffle alone. */
  readonly weighted: boolean
}

const WEIGHT_MAX = 1000
const WEIGHT_SCALES = [1, 10, 100, 1000]
const UNWEIGHTED = 'LiteLLM looks at weights under simple-shuffle alone'
const DISAGREE =
  'the deployments of this model do not agree, and in Signalbox it is part of the policy of all'

/** A route for each model name, and a policy for each that says something of its own. */
export function routesOf(
  reader: Reader,
  deployments: readonly Deployment[],
  ground: Ground,
): RoutesAndPolicies {
  const groups = Map.groupBy(deployments, ({ name }) => name)
  const { policies, idOf } = policyBook(ground.policy)
  const routes = new Map<string, RouteDraft>()
  for (const [name, group] of groups) {
    if (name === undefined) continue
    const origin = group[0]?.path ?? []
    const own = ownPolicy(reader, group)
    const spec = mergePatch(ground.policy, own) as Fragment
    const policy = own && idOf(name, { spec, origin })
    routes.set(name, { origin, aliases: [], tiers: tiersOf(reader, group, ground), policy })
  }
  return { routes, policies }
}

/** Policies by id. One that says what another says already has that one's id. */
function policyBook(defaults: Fragment) {
  const policies = new Map<string, Draft>()
  const ids = new Map<string, string>()
  const newId = idSource([DEFAULT_POLICY_ID])
  if (Object.keys(defaults).length > 0) {
    policies.set(DEFAULT_POLICY_ID, { spec: defaults, origin: ['router_settings'] })
    ids.set(canonicalJson(defaults), DEFAULT_POLICY_ID)
  }
  const idOf = (name: string, draft: Draft): string => {
    const text = canonicalJson(draft.spec)
    const id = ids.get(text) ?? newId(slug(name, 'policy'))
    if (!policies.has(id)) policies.set(id, draft)
    ids.set(text, id)
    return id
  }
  return { policies, idOf }
}

/** What all deployments of a model say alike; undefined where that is nothing. */
function ownPolicy(reader: Reader, group: readonly Deployment[]): Fragment | undefined {
  let own: Fragment | undefined
  for (const key of OVERRIDE_KEYS) {
    const saying = group.filter(({ overrides }) => overrides.has(key))
    const different = new Set(saying.map(({ overrides }) => canonicalJson(overrides.get(key))))
    if (saying.length === group.length && different.size === 1) {
      own = mergePatch(own ?? {}, saying[0]?.overrides.get(key)) as Fragment
      continue
    }
    for (const { path } of saying) leaveOverride(reader, [...path, 'litellm_params'], key)
  }
  return own
}

function leaveOverride(reader: Reader, params: Path, key: string): void {
  const written = reader.has([...params, key]) ? key : 'max_retries'
  reader.leave([...params, written], DISAGREE)
}

/** By `order`, those without one last; within one, those that have no weight while others do. */
function tiersOf(reader: Reader, group: readonly Deployment[], ground: Ground): readonly Tier[] {
  const orders = [...new Set(group.map(({ order }) => order ?? Infinity))].sort((a, b) => a - b)
  return orders.flatMap((order) => {
    const peers = group.filter((one) => (one.order ?? Infinity) === order)
    if (!ground.weighted) return [{ targets: unweighted(reader, peers, ground) }]
    const weightOf = weighing(peers)
    const first = peers.filter((one) => weightOf(one) > 0)
    const rest = peers.filter((one) => !first.includes(one))
    const weights = wholeWeights(first.map(weightOf))
    const tiers = [
      first.map((one, index) => ({ ...target(one, ground), weight: weights[index] ?? 1 })),
      rest.map((one) => target(one, ground)),
    ]
    return tiers.filter(({ length }) => length > 0).map((targets) => ({ targets }))
  })
}

/** Where nobody has a weight LiteLLM goes by the rates that they are allowed. */
function weighing(peers: readonly Deployment[]): (one: Deployment) => number {
  const ways = [
    ({ weight }: Deployment) => weight ?? 0,
    ({ rates }: Deployment) => rates.rpm ?? 0,
    ({ rates }: Deployment) => rates.tpm ?? 0,
  ]
  const [byWeight] = ways
  const way = ways.find((one) => peers.some((peer) => one(peer) > 0)) ?? (() => 0)
  const rates = new Set(peers.map(way))
  // A rate that all have is none of their weights: it says that they are alike.
  return way !== byWeight && rates.size === 1 ? () => 0 : way
}

function unweighted(
  reader: Reader,
  peers: readonly Deployment[],
  ground: Ground,
): readonly Target[] {
  for (const { path, weight } of peers) {
    if (weight !== undefined) reader.leave([...path, 'litellm_params', 'weight'], UNWEIGHTED)
  }
  return peers.map((one) => target(one, ground))
}

function target(deployment: Deployment, { idOf }: Ground): Target {
  return { backend: idOf.get(deployment) ?? '', model: deployment.model, weight: 1 }
}

/** The same proportions in whole numbers: exactly where that is possible, else rounded. */
function wholeWeights(weights: readonly number[]): readonly number[] {
  for (const scale of WEIGHT_SCALES) {
    const scaled = weights.map((weight) => Number((weight * scale).toFixed(6)))
    if (scaled.every(isWeight)) return scaled
  }
  const largest = Math.max(...weights)
  return weights.map((weight) => Math.max(1, Math.round((weight / largest) * WEIGHT_MAX)))
}

/** Not 0: that would be none at all, and what is scaled has one. */
function isWeight(weight: number): boolean {
  return Number.isInteger(weight) && weight >= 1 && weight <= WEIGHT_MAX
}
