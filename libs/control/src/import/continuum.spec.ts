import fc from 'fast-check'
import { STRATEGIES } from '@signalbox/model'
import { importContinuum } from './continuum.ts'
import {
  anyFile,
  importedBy,
  leavesOf,
  lostLeaves,
  pathsOf,
  problemsOf,
  refusalOf,
  whyOf,
} from './import-harness.ts'

const imported = (input: unknown, env = {}) => importedBy(importContinuum, input, env)
const problems = (input: unknown, env = {}) => problemsOf(importContinuum, input, env)
const backend = (spec: object) => imported({ backends: [{ url: 'http://h.test', ...spec }] })

const FULL = {
  server: { connection_pool_size: 200 },
  request: { timeout: 30, streaming_timeout: '5m', max_retries: 1 },
  routing: {
    strategy: 'WeightedRoundRobin',
    fallback_strategy: 'round_robin',
    weights: { 'http://backend1:11434': 3, 'http://backend2:11434/': 1 },
  },
  health_checks: {
    enabled: true,
    interval: 10,
    timeout: '500ms',
    unhealthy_threshold: 4,
    healthy_threshold: 3,
    path: '/up',
  },
  backends: [
    { url: 'http://backend1:11434', name: 'First One', type: 'ollama', models: ['llama3', 'qwen'] },
    { url: 'http://backend2:11434', kind: 'vllm', api_key: '${KEY}', enabled: false },
  ],
}
const ENV = { KEY: 'sk-test' }

describe('a whole file', () => {
  const common = {
    limits: { connections: 200 },
    health: {
      enabled: true,
      intervalMs: 10_000,
      timeoutMs: 500,
      unhealthyThreshold: 4,
      healthyThreshold: 3,
      path: '/up',
    },
  }

  it('becomes backends and the default policy', () => {
    expect(imported(FULL, ENV)).toEqual({
      config: {
        backends: {
          'first-one': {
            ...common,
            kind: 'ollama',
            url: 'http://backend1:11434',
            models: ['llama3', 'qwen'],
            weight: 3,
          },
          backend2: {
            ...common,
            kind: 'vllm',
            url: 'http://backend2:11434',
            apiKey: 'sk-test',
            enabled: false,
            weight: 1,
          },
        },
        routes: {},
        policies: {
          default: {
            strategy: 'WeightedRoundRobin',
            fallbackStrategy: 'RoundRobin',
            timeouts: { totalMs: 30_000, streamTotalMs: 300_000 },
            retry: { maxRetries: 1 },
          },
        },
      },
      unmapped: [],
    })
  })

  it('is taken by the control plane', () => {
    expect(refusalOf(imported(FULL, ENV).config)).toBeUndefined()
  })

  it('loses nothing', () => {
    expect(leavesOf(FULL).length).toBeGreaterThan(20)
    expect(lostLeaves(importContinuum, FULL, ENV)).toEqual([])
  })

  it('writes no policy where nothing is said about it', () => {
    expect(imported({ backends: [] }).config.policies).toEqual({})
  })
})

describe('a strategy', () => {
  it.each(['LeastLatency', 'least_latency', 'least-latency', 'LEASTLATENCY'])(
    'reads %s',
    (name) => {
      const { config } = imported({ routing: { strategy: name } })
      expect(config.policies).toEqual({ default: { strategy: 'LeastLatency' } })
    },
  )

  it.each([
    ['Random', 'Random'],
    ['consistent_hash', 'ConsistentHash'],
    ['LeastConnections', 'LeastRequests'],
    ['PrefixAwareHash', 'PrefixAware'],
  ])('reads %s as %s', (name, strategy) => {
    const { config, unmapped } = imported({ selection_strategy: name })
    expect([config.policies, unmapped]).toEqual([{ default: { strategy } }, []])
  })

  it('reports one that Signalbox has not got', () => {
    const { config, unmapped } = imported({ selection_strategy: 'Adaptive' })
    expect(config.policies).toEqual({})
    expect(whyOf(unmapped, 'selection_strategy')).toContain('RoundRobin, WeightedRoundRobin')
  })

  it('reports a fallback strategy that cannot be one', () => {
    const { unmapped } = imported({ routing: { fallback_strategy: 'LeastLatency' } })
    expect(pathsOf(unmapped)).toEqual(['routing.fallback_strategy'])
  })

  it('of routing wins over the one at the top, which is reported', () => {
    const { config, unmapped } = imported({
      selection_strategy: 'RoundRobin',
      routing: { strategy: 'LeastLatency' },
    })
    expect(config.policies).toEqual({ default: { strategy: 'LeastLatency' } })
    expect(unmapped).toEqual([
      { path: 'selection_strategy', why: 'routing.strategy is read instead' },
    ])
  })

  it('of no known name is a problem', () => {
    expect(problems({ routing: { strategy: 'Fastest' } })).toEqual([
      {
        path: 'routing.strategy',
        message: `expected one of ${STRATEGIES.join(', ')}`,
      },
    ])
  })
})

describe('a backend', () => {
  it.each([
    ['openai', 'openai'],
    ['azure_openai', 'azure-openai'],
    ['llama.cpp', 'llamacpp'],
    ['LMStudio', 'lmstudio'],
    ['generic', 'openai-compatible'],
    ['continuum-router', 'openai-compatible'],
  ])('of type %s is of kind %s', (type, kind) => {
    const { config, unmapped } = backend({ type })
    expect(config.backends).toEqual({ 'h-test': expect.objectContaining({ kind }) })
    expect(unmapped).toEqual([])
  })

  it('of a type that Signalbox has not got is taken as a generic one, and reported', () => {
    const { config, unmapped } = backend({ type: 'mlx' })
    expect(config.backends).toEqual({
      'h-test': { kind: 'openai-compatible', url: 'http://h.test' },
    })
    expect(whyOf(unmapped, 'backends.0.type')).toContain('openai-compatible')
  })

  it.each([
    ['https://api.anthropic.com', 'anthropic', 'https://api.anthropic.com'],
    ['https://api.openai.com/v1', 'openai', 'https://api.openai.com/v1'],
    [
      'https://generativelanguage.googleapis.com',
      'gemini',
      'https://generativelanguage.googleapis.com/v1beta/openai',
    ],
    ['http://10.0.0.1:8000', 'openai-compatible', 'http://10.0.0.1:8000'],
  ])('at %s without a type is of kind %s', (url, kind, base) => {
    const { config } = imported({ backends: [{ url, name: 'b' }] })
    expect(config.backends).toEqual({ b: { kind, url: base } })
  })

  it('gets an id of its own, the same each time', () => {
    const names = ['GPU one', 'gpu-one', undefined, undefined, '!!!', 'x'.repeat(200)]
    const backends = names.map((name) => ({ url: 'http://h.test:1', ...(name ? { name } : {}) }))
    const ids = () => Object.keys(imported({ backends }).config.backends)
    expect(ids()).toEqual(['gpu-one', 'gpu-one-2', 'h-test', 'h-test-2', 'backend', 'x'.repeat(56)])
    expect(ids()).toEqual(ids())
  })

  it('keeps an own weight where routing.weights does not name it', () => {
    const { config, unmapped } = imported({
      routing: { weights: { 'http://a.test': 3, 'http://c.test': 9 } },
      backends: [
        { url: 'http://a.test/', weight: 2 },
        { url: 'http://b.test', weight: 5 },
      ],
    })
    expect(config.backends).toEqual({
      'a-test': expect.objectContaining({ weight: 3 }),
      'b-test': expect.objectContaining({ weight: 5 }),
    })
    expect(unmapped).toEqual([
      {
        path: 'routing.weights.http://c.test',
        why: 'no backend of this file is imported with this URL',
      },
      { path: 'backends.0.weight', why: 'routing.weights is read instead' },
    ])
  })

  it('is found by a weight whose URL has a variable in it', () => {
    const url = 'http://${HOST}:11434'
    const file = { routing: { weights: { [url]: 4 } }, backends: [{ url, name: 'b' }] }
    const { config, unmapped } = imported(file, { HOST: 'gpu-1' })
    expect(config.backends).toEqual({ b: expect.objectContaining({ weight: 4 }) })
    expect(unmapped).toEqual([])
    expect(pathsOf(problems(file))).toEqual(['backends.0.url', `routing.weights.${url}`])
  })

  it('is left out and reported where its URL is one that Signalbox does not call', () => {
    const { config, unmapped } = imported({
      backends: [{ url: 'unix:///run/llm.sock' }, { url: 'http://u:secret@h.test' }],
    })
    expect(config.backends).toEqual({})
    expect(pathsOf(unmapped)).toEqual(['backends.0', 'backends.1'])
    expect(JSON.stringify(unmapped)).not.toContain('secret')
  })

  it('has the models that are named, in either form', () => {
    const { config, unmapped } = backend({
      models: ['a', { id: 'b', aliases: ['c'] }, { name: 'd' }, 'not a name'],
    })
    expect(config.backends).toEqual({
      'h-test': expect.objectContaining({ models: ['a', 'b', 'd'] }),
    })
    expect(pathsOf(unmapped)).toEqual(['backends.0.models.1.aliases.0', 'backends.0.models.3'])
  })

  it('keeps a value that is too large for Signalbox out, and reports it', () => {
    const { config, unmapped } = imported({
      server: { connection_pool_size: 20_000 },
      request: { timeout: 0, max_retries: 50 },
      backends: [{ url: 'http://h.test', weight: 5000 }],
    })
    expect(config).toEqual({
      backends: { 'h-test': { kind: 'openai-compatible', url: 'http://h.test' } },
      routes: {},
      policies: {},
    })
    expect(pathsOf(unmapped)).toEqual([
      'server.connection_pool_size',
      'request.timeout',
      'request.max_retries',
      'backends.0.weight',
    ])
  })
})

describe('wrong shapes', () => {
  it('are problems, all of them at once', () => {
    const found = problems(
      {
        server: { connection_pool_size: 'many' },
        request: 'fast',
        routing: { strategy: 3, weights: { here: 1, 'http://a.test': 'three' } },
        health_checks: { enabled: 'yes', interval: [] },
        backends: [
          { url: 'not a url', weight: 'three', type: 5, models: 'all' },
          { name: 'x' },
          'http://h.test',
          { url: 'http://h.test', api_key: '${NONE}', enabled: 1, models: [{}] },
          { url: 'http://h.test', api_key: 'two words' },
        ],
      },
      {},
    )
    expect([...pathsOf(found)].sort()).toEqual([
      'backends.0.models',
      'backends.0.type',
      'backends.0.url',
      'backends.0.weight',
      'backends.1.url',
      'backends.2',
      'backends.3.api_key',
      'backends.3.enabled',
      'backends.3.models.0',
      'backends.4.api_key',
      'health_checks.enabled',
      'health_checks.interval',
      'request',
      'routing.strategy',
      'routing.weights.here',
      'routing.weights.http://a.test',
      'server.connection_pool_size',
    ])
    expect(found).toContainEqual({
      path: 'backends.3.api_key',
      message: 'variable NONE is not set',
    })
  })

  it.each([[{}], ['http://h.test'], [3]])('refuse backends that are %j', (backends) => {
    expect(problems({ backends })).toEqual([{ path: 'backends', message: 'expected a list' }])
  })

  it('show no value', () => {
    const env = { A: 'hush hush' }
    const input = {
      routing: { strategy: '${A}' },
      request: { timeout: '${A}' },
      backends: [{ url: '${A}', api_key: '${A}', weight: '${A}', models: ['${A}'] }],
    }
    expect(problems(input, env).length).toBe(5)
    expect(JSON.stringify(importContinuum(input, env))).not.toContain('hush')
  })
})

describe('any file', () => {
  const sections = 'server,request,cache,routing,health_checks,backends,metrics,auth,logging'
  const keys = 'url,name,weight,models,type,kind,api_key,timeout,interval,enabled,strategy,weights'
  const names = [...sections.split(','), ...keys.split(','), 'max_retries', 'http://h.test', 'x.y']

  it('is refused with reasons, or taken by the control plane', () => {
    fc.assert(
      fc.property(anyFile(names), (input) => {
        const result = importContinuum(input, { A: 'a' })
        if (!result.ok) return result.error.length > 0
        return refusalOf(result.value.config) === undefined
      }),
      { numRuns: 500 },
    )
  })

  const scalar = fc.oneof(fc.string(), fc.integer(), fc.boolean())
  const seconds = fc.oneof(fc.integer({ min: 1, max: 600 }), fc.constantFrom('30s', '500ms', '5m'))
  const count = fc.integer({ min: 0, max: 200 })
  const some = (model: Record<string, fc.Arbitrary<unknown>>) =>
    fc.record({ ...model, extra: scalar }, { requiredKeys: [] })
  const strategy = fc.constantFrom('RoundRobin', 'least_latency', 'Random', 'WeightedRoundRobin')
  const url = fc.integer({ min: 1, max: 4 }).map((n) => `http://backend${n}:11434`)
  const fits = fc.record(
    {
      server: some({ bind_address: scalar, connection_pool_size: count, keepalive_timeout: count }),
      request: some({ timeout: seconds, streaming_timeout: seconds, max_retries: count }),
      cache: some({ model_cache_ttl: seconds }),
      http_client: some({ pool_idle_timeout: count, pool_max_idle_per_host: count }),
      routing: some({
        strategy,
        fallback_strategy: strategy,
        weights: fc.dictionary(url, count),
      }),
      health_checks: some({ enabled: fc.boolean(), interval: seconds, healthy_threshold: count }),
      deduplication: some({ enabled: fc.boolean(), ttl: seconds }),
      logging: some({ level: scalar }),
      metrics: some({ enabled: fc.boolean(), endpoint: scalar, auth: some({ username: scalar }) }),
      selection_strategy: strategy,
      backends: fc.array(
        fc.record(
          {
            url,
            // A reference to a variable has its own tests: this must fit.
            name: fc.string().filter((name) => !name.includes('${')),
            weight: fc.integer({ min: 0, max: 1500 }),
            models: fc.array(fc.constantFrom('a', 'b c', 'd')),
            type: fc.constantFrom('ollama', 'vllm', 'mlx'),
            kind: fc.constantFrom('ollama', 'vllm', 'mlx'),
            api_key: fc.constantFrom('sk-1', 'os.environ/KEY', '${KEY}'),
            enabled: fc.boolean(),
            extra: scalar,
          },
          { requiredKeys: ['url'] },
        ),
        { maxLength: 4 },
      ),
      unknown: scalar,
    },
    { requiredKeys: [] },
  )

  it('that fits loses nothing: a value is read or reported', () => {
    fc.assert(
      fc.property(fits, (input) => {
        expect(lostLeaves(importContinuum, input, { KEY: 'sk-2' })).toEqual([])
        expect(refusalOf(imported(input, { KEY: 'sk-2' }).config)).toBeUndefined()
      }),
      { numRuns: 100 },
    )
  })
})
