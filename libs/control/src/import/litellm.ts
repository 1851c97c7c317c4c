import { type Strategy } from '@signalbox/model'
import { finish, type Draft, type Env, type Fragment, type ImportResult } from './document.ts'
import { backendsOf, withCommon } from './litellm-backends.ts'
import { readDeployments } from './litellm-deployments.ts'
import { withAliases, withFallbacks } from './litellm-names.ts'
import { LITELLM_REASONS, LITELLM_SECTIONS } from './litellm-reasons.ts'
import { routesOf, type RouteDraft } from './litellm-routes.ts'
import { Reader, shapeProblem, type Path } from './reader.ts'
import { readSettings, reasonIn, reads, type Setting } from './settings.ts'
import { STRATEGY_NAMES } from './strategy-names.ts'
import { expand, lookupIn, type Lookup } from './variables.ts'

const { duration, seconds, integer, flag } = reads

const STRATEGY: Path = ['router_settings', 'routing_strategy']
const SHUFFLE = 'simple-shuffle'
const LIKE: ReadonlyMap<string, Strategy> = new Map([
  ['latency-based-routing', 'LeastLatency'],
  ['least-busy', 'LeastRequests'],
])
const CACHE_MODE: Path = ['litellm_settings', 'cache_params', 'mode']
const ASKED_FOR =
  "cache_params.mode is default_off; the policy's cache is for every request that does not say " +
  'cache-control: no-store'
const VARIABLES: Path = ['environment_variables']

const SETTINGS: readonly Setting[] = [
  {
    from: ['router_settings.timeout', 'litellm_settings.request_timeout'],
    into: 'policy',
    read: duration((ms) => ({ timeouts: { totalMs: ms, streamTotalMs: ms } })),
  },
  {
    from: ['router_settings.stream_timeout'],
    into: 'policy',
    read: duration((streamTotalMs) => ({ timeouts: { streamTotalMs } })),
  },
  {
    from: ['router_settings.num_retries', 'litellm_settings.num_retries'],
    into: 'policy',
    read: integer((maxRetries) => ({ retry: { maxRetries } })),
  },
  {
    from: ['litellm_settings.drop_params'],
    into: 'policy',
    read: flag((drops) => ({ translation: drops ? 'lenient' : 'strict' })),
  },
  {
    from: ['litellm_settings.cache'],
    into: 'policy',
    read: readCache,
  },
  {
    from: ['litellm_settings.cache_params.ttl'],
    into: 'policy',
    read: seconds((ttl) => ({ cache: { ttl } })),
  },
  {
    from: ['general_settings.health_check_interval'],
    into: 'backend',
    read: duration((intervalMs) => ({ health: { intervalMs } })),
  },
]

/**
 * Reads a LiteLLM proxy's configuration. A model name is a route there too: its deployments become
 * the route's targets, and what they have in common (address, kind and key) a backend.
 */
export function importLiteLlm(input: unknown, env: Env): ImportResult {
  const shape = shapeProblem(input)
  if (shape) return { ok: false, error: [shape] }
  const lookup: Lookup = (name) => ownVariable(reader, name, env) ?? lookupIn(env)(name)
  const reader = new Reader(input, lookup)
  for (const section of LITELLM_SECTIONS) reader.names([section])
  checkVariables(reader)
  const deployments = readDeployments(reader, lookup)
  const backends = backendsOf(reader, deployments)
  const strategy = readStrategy(reader)
  const hasBackends = backends.drafts.size > 0
  const common = readSettings(reader, SETTINGS, { hasBackends })
  const policy = hasBackends ? { strategy, ...common.policy } : common.policy
  const weighted = strategy === 'WeightedRoundRobin'
  const ground = { idOf: backends.idOf, policy, weighted }
  const { routes, policies } = routesOf(reader, deployments, ground)
  const whole = withFallbacks(reader, withAliases(reader, routes))
  return finish(
    reader,
    {
      backends: withCommon(backends.drafts, common.backend),
      routes: new Map([...whole].map(([id, route]) => [id, draftOf(route)])),
      policies,
    },
    (path) => reasonIn(LITELLM_REASONS, path),
  )
}

/** There each request may have to ask for it; here none has to. */
function readCache(reader: Reader, path: Path): Fragment | undefined {
  const enabled = reader.flag(path)
  if (enabled === undefined) return undefined
  if (reader.at(CACHE_MODE) !== 'default_off') return { cache: { enabled } }
  reader.leave(path, ASKED_FOR)
  return undefined
}

/** Weights are even where none are given, so that one strategy does for both kinds of shuffle. */
function readStrategy(reader: Reader): Strategy {
  const name = reader.text(STRATEGY)
  const like = LIKE.get(name ?? SHUFFLE)
  if (like) return like
  if (name !== undefined && name !== SHUFFLE) {
    const why = `this version of Signalbox picks by ${STRATEGY_NAMES}; taken as ${SHUFFLE}`
    reader.leave(STRATEGY, why)
  }
  return 'WeightedRoundRobin'
}

function draftOf({ origin, aliases, tiers, policy }: RouteDraft): Draft {
  const spec: Fragment = {
    ...(aliases.length > 0 ? { aliases } : {}),
    tiers,
    ...(policy === undefined ? {} : { policy }),
  }
  return { spec, origin }
}

/** LiteLLM puts these into its environment before it looks anything up there. */
function ownVariable(reader: Reader, name: string, env: Env): string | undefined {
  const path = [...VARIABLES, name]
  const value = reader.at(path)
  if (!isScalar(value)) return undefined
  const expanded = expand(String(value), lookupIn(env))
  if (!expanded.ok || expanded.value === '') return undefined
  reader.take(path)
  return expanded.value
}

function checkVariables(reader: Reader): void {
  for (const name of reader.names(VARIABLES)) {
    const path = [...VARIABLES, name]
    if (reader.has(path) && !isScalar(reader.at(path))) reader.problem(path, 'expected text')
  }
}

function isScalar(value: unknown): value is string | number | boolean {
  return ['string', 'number', 'boolean'].includes(typeof value)
}
