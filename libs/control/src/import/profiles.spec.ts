import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { importContinuum } from './continuum.ts'
import { importedBy, lostLeaves, pathsOf, refusalOf } from './import-harness.ts'

const folder = join(import.meta.dirname, '../../../../deploy/profiles')
const profile = (name: string): Record<string, unknown> =>
  parse(readFileSync(join(folder, `config-${name}.yaml`), 'utf8'))
const backends = [{ url: 'http://127.0.0.1:11434', name: 'local', type: 'ollama' }]
const local = { kind: 'ollama', url: 'http://127.0.0.1:11434' }

/** The keys of the guide's table, each with its value, and nothing else. */
const SAID = {
  'high-throughput': {
    server: { bind_address: '0.0.0.0:8080', connection_pool_size: 1000, keepalive_timeout: 75 },
    request: { timeout: 30, max_retries: 1 },
    cache: { model_cache_ttl: 900 },
    http_client: { pool_idle_timeout: 90, pool_max_idle_per_host: 100 },
  },
  'low-latency': {
    server: { bind_address: '0.0.0.0:8080' },
    request: { timeout: 10, max_retries: 0 },
    cache: { model_cache_ttl: 3600 },
    routing: { strategy: 'LeastLatency', fallback_strategy: 'RoundRobin' },
    health_checks: { interval: 10 },
  },
  'low-memory': {
    server: { connection_pool_size: 10 },
    request: { timeout: 30 },
    cache: { model_cache_ttl: 60 },
    logging: { level: 'error' },
  },
}

const TAKEN = {
  'high-throughput': {
    backend: {
      ...local,
      limits: { connections: 1000, idleConnections: 100 },
      timeouts: { idleConnectionMs: 90_000 },
    },
    policy: { timeouts: { totalMs: 30_000 }, retry: { maxRetries: 1 } },
    unmapped: ['server.bind_address', 'server.keepalive_timeout', 'cache.model_cache_ttl'],
  },
  'low-latency': {
    backend: { ...local, health: { intervalMs: 10_000 } },
    policy: {
      strategy: 'LeastLatency',
      fallbackStrategy: 'RoundRobin',
      timeouts: { totalMs: 10_000 },
      retry: { maxRetries: 0 },
    },
    unmapped: ['server.bind_address', 'cache.model_cache_ttl'],
  },
  'low-memory': {
    backend: { ...local, limits: { connections: 10 } },
    policy: { timeouts: { totalMs: 30_000 } },
    unmapped: ['cache.model_cache_ttl', 'logging.level'],
  },
}

describe.each(['high-throughput', 'low-latency', 'low-memory'] as const)('profile %s', (name) => {
  it('says what the guide says', () => {
    expect(profile(name)).toEqual(SAID[name])
  })

  it('takes effect on the backends beside it', () => {
    const { config, unmapped } = importedBy(importContinuum, { ...profile(name), backends })
    const { backend, policy } = TAKEN[name]
    expect(config).toEqual({
      backends: { local: backend },
      routes: {},
      policies: { default: policy },
    })
    expect(pathsOf(unmapped)).toEqual(TAKEN[name].unmapped)
    expect(refusalOf(config)).toBeUndefined()
  })

  it('loses nothing, also where it is alone', () => {
    expect(lostLeaves(importContinuum, profile(name))).toEqual([])
  })
})

it('a pool size without backends is reported with its reason', () => {
  const { config, unmapped } = importedBy(importContinuum, profile('low-memory'))
  expect(config.backends).toEqual({})
  expect(unmapped).toContainEqual({
    path: 'server.connection_pool_size',
    why: 'belongs to each backend, and no backend of this file is imported',
  })
})
