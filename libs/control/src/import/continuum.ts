import { DEFAULT_POLICY_ID, FALLBACK_STRATEGIES } from '@signalbox/model'
import { mergePatch } from '../merge-patch.ts'
import { readBackends, weighByUrl } from './continuum-backends.ts'
import { readPrompts } from './continuum-prompts.ts'
import { CONTINUUM_REASONS, CONTINUUM_SECTIONS } from './continuum-reasons.ts'
import { finish, type Draft, type Env, type Fragment, type ImportResult } from './document.ts'
import { Reader, shapeProblem, type Path } from './reader.ts'
import { misfit, readSettings, reasonIn, reads, type Setting } from './settings.ts'
import { STRATEGY_NAMES, strategyOf } from './strategy-names.ts'
import { lookupIn } from './variables.ts'

const { duration, seconds, integer, flag, text } = reads

const SETTINGS: readonly Setting[] = [
  {
    from: ['routing.strategy', 'selection_strategy'],
    into: 'policy',
    read: strategyInto('strategy'),
  },
  {
    from: ['routing.fallback_strategy'],
    into: 'policy',
    read: strategyInto('fallbackStrategy'),
  },
  {
    from: ['request.timeout'],
    into: 'policy',
    read: duration((totalMs) => ({ timeouts: { totalMs } })),
  },
  {
    from: ['request.streaming_timeout'],
    into: 'policy',
    read: duration((streamTotalMs) => ({ timeouts: { streamTotalMs } })),
  },
  {
    from: ['request.max_retries'],
    into: 'policy',
    read: integer((maxRetries) => ({ retry: { maxRetries } })),
  },
  {
    from: ['deduplication.enabled', 'cache.enable_deduplication'],
    into: 'policy',
    read: flag((enabled) => ({ deduplication: { enabled } })),
  },
  {
    from: ['deduplication.ttl', 'cache.deduplication_ttl'],
    into: 'policy',
    read: seconds((ttl) => ({ deduplication: { ttl } })),
  },
  {
    from: ['response_cache.enabled', 'cache.enabled'],
    into: 'policy',
    read: flag((enabled) => ({ cache: { enabled } })),
  },
  {
    from: ['response_cache.ttl', 'cache.ttl'],
    into: 'policy',
    read: seconds((ttl) => ({ cache: { ttl } })),
  },
  {
    from: ['response_cache.max_response_size'],
    into: 'policy',
    read: integer((maxBytes) => ({ cache: { maxBytes } })),
  },
  {
    from: ['http_client.pool_idle_timeout'],
    into: 'backend',
    read: duration((idleConnectionMs) => ({ timeouts: { idleConnectionMs } })),
  },
  {
    from: ['http_client.pool_max_idle_per_host'],
    into: 'backend',
    read: integer((idleConnections) => ({ limits: { idleConnections } })),
  },
  {
    from: ['server.connection_pool_size'],
    into: 'backend',
    read: integer((connections) => ({ limits: { connections } })),
  },
  {
    from: ['health_checks.enabled'],
    into: 'backend',
    read: flag((enabled) => ({ health: { enabled } })),
  },
  {
    from: ['health_checks.interval'],
    into: 'backend',
    read: duration((intervalMs) => ({ health: { intervalMs } })),
  },
  {
    from: ['health_checks.timeout'],
    into: 'backend',
    read: duration((timeoutMs) => ({ health: { timeoutMs } })),
  },
  {
    from: ['health_checks.unhealthy_threshold'],
    into: 'backend',
    read: integer((unhealthyThreshold) => ({ health: { unhealthyThreshold } })),
  },
  {
    from: ['health_checks.healthy_threshold'],
    into: 'backend',
    read: integer((healthyThreshold) => ({ health: { healthyThreshold } })),
  },
  {
    from: ['health_checks.path', 'health_checks.endpoint'],
    into: 'backend',
    read: text((path) => ({ health: { path } })),
  },
]

/**
 * Reads a Continuum router's configuration. There a model is served by every backend that has it,
 * under one policy for all: that is what Signalbox does where no route says otherwise, so there
 * are backends and the policy `default`, and no routes.
 */
export function importContinuum(input: unknown, env: Env): ImportResult {
  const shape = shapeProblem(input)
  if (shape) return { ok: false, error: [shape] }
  const reader = new Reader(input, lookupIn(env))
  for (const section of CONTINUUM_SECTIONS) reader.names([section])
  const backends = weighByUrl(reader, readBackends(reader))
  const common = readSettings(reader, SETTINGS, { hasBackends: backends.size > 0 })
  const prompts = readPrompts(reader, backends)
  const policy = mergePatch(common.policy, prompts ? { prompts } : {}) as Fragment
  return finish(
    reader,
    {
      backends: new Map(
        [...backends].map(([id, draft]) => [id, withCommon(draft, common.backend)]),
      ),
      routes: new Map(),
      policies: policiesOf(policy),
    },
    (path) => reasonIn(CONTINUUM_REASONS, path),
  )
}

/** What the backend says itself beats what is said for all. */
function withCommon(draft: Draft, common: Fragment): Draft {
  return { ...draft, spec: mergePatch(common, draft.spec) as Fragment }
}

function policiesOf(spec: Fragment): ReadonlyMap<string, Draft> {
  if (Object.keys(spec).length === 0) return new Map()
  return new Map([[DEFAULT_POLICY_ID, { spec, origin: ['routing'] }]])
}

function strategyInto(field: 'strategy' | 'fallbackStrategy'): Setting['read'] {
  return (reader: Reader, path: Path) => {
    const name = reader.text(path)
    if (name === undefined) return undefined
    const strategy = strategyOf(name)
    if (strategy === undefined) return reader.problem(path, `expected one of ${STRATEGY_NAMES}`)
    const part = { [field]: strategy }
    if (misfit('policy', part) === undefined) return part
    const choice = field === 'strategy' ? STRATEGY_NAMES : FALLBACK_STRATEGIES.join(', ')
    reader.leave(path, `this version of Signalbox picks by one of ${choice} here`)
    return undefined
  }
}
