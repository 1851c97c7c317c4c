// What the newer keys of a Continuum file become: caching, deduplication, prompts, connections.
import fc from 'fast-check'
import { importContinuum } from './continuum.ts'
import { importedBy, lostLeaves, pathsOf, problemsOf, refusalOf, whyOf } from './import-harness.ts'

const imported = (input: unknown) => importedBy(importContinuum, input)
const policyOf = (input: unknown) => imported(input).config.policies['default']
const url = 'http://h.test'

describe('caching and deduplication', () => {
  it('are parts of the policy, with their seconds', () => {
    const file = {
      deduplication: { enabled: true, ttl: 60 },
      response_cache: { enabled: true, ttl: '5m', max_response_size: 65_536 },
    }
    expect(imported(file)).toEqual({
      config: {
        ...{ backends: {}, routes: {} },
        policies: {
          default: {
            deduplication: { enabled: true, ttl: 60 },
            cache: { enabled: true, ttl: 300, maxBytes: 65_536 },
          },
        },
      },
      unmapped: [],
    })
  })

  it('are read under their older names', () => {
    const cache = { enable_deduplication: true, deduplication_ttl: '500ms', enabled: true, ttl: 9 }
    expect(policyOf({ cache })).toEqual({
      deduplication: { enabled: true, ttl: 0.5 },
      cache: { enabled: true, ttl: 9 },
    })
  })

  it('say where answers are kept, which belongs to the process', () => {
    const { unmapped } = imported({ response_cache: { backend: 'redis' } })
    expect(whyOf(unmapped, 'response_cache.backend')).toContain('SIGNALBOX_REDIS_URL')
  })

  it('keep a time out that is longer than Signalbox keeps an answer', () => {
    const { config, unmapped } = imported({ response_cache: { ttl: '48h' } })
    expect([config.policies, pathsOf(unmapped)]).toEqual([{}, ['response_cache.ttl']])
  })
})

describe('connections and probes', () => {
  it("are each backend's", () => {
    const { config, unmapped } = imported({
      http_client: { pool_idle_timeout: 90, pool_max_idle_per_host: 32 },
      health_checks: { endpoint: '/ready' },
      backends: [{ url, name: 'b', max_concurrent_requests: 4 }],
    })
    expect(config.backends).toEqual({
      b: {
        ...{ kind: 'openai-compatible', url, health: { path: '/ready' } },
        limits: { idleConnections: 32, concurrency: 4 },
        timeouts: { idleConnectionMs: 90_000 },
      },
    })
    expect(unmapped).toEqual([])
  })

  it('read path before endpoint, and say so', () => {
    const health_checks = { path: '/a', endpoint: '/b' }
    const { unmapped } = imported({ health_checks, backends: [{ url }] })
    const why = 'health_checks.path is read instead'
    expect(unmapped).toEqual([{ path: 'health_checks.endpoint', why }])
  })
})

describe('prompts', () => {
  const backends = [
    { url, name: 'Big One' },
    { url, name: 'small', system_prompt: 'Be short.' },
  ]

  it("of all, of models and of backends are the policy's", () => {
    const file = {
      global_prompts: {
        default: 'Be kind.',
        merge_strategy: 'append',
        models: { 'gpt-4o': { prompt: 'Be exact.', merge_strategy: 'replace' }, o3: 'Be brief.' },
        backends: { 'Big One': { prompt: 'Be big.' } },
      },
      backends,
    }
    const { config, unmapped } = imported(file)
    const mode = 'append'
    expect(config.policies['default']).toEqual({
      prompts: {
        all: { text: 'Be kind.', mode },
        models: {
          'gpt-4o': { text: 'Be exact.', mode: 'replace' },
          o3: { text: 'Be brief.', mode },
        },
        backends: { 'big-one': { text: 'Be big.', mode }, small: { text: 'Be short.', mode } },
      },
    })
    expect(unmapped).toEqual([])
    expect(refusalOf(config)).toBeUndefined()
    expect(lostLeaves(importContinuum, file)).toEqual([])
  })

  it('that have no place are reported: a file, a name, a backend that is not there', () => {
    const { config, unmapped } = imported({
      global_prompts: {
        default_file: 'all.md',
        models: { 'no name': 'x', m: { prompt_file: 'm.md' } },
        backends: { nobody: 'x' },
      },
      backends,
    })
    expect(config.policies['default']).toEqual({
      prompts: { backends: { small: { text: 'Be short.' } } },
    })
    expect(pathsOf(unmapped)).toEqual([
      'global_prompts.default_file',
      'global_prompts.models.no name',
      'global_prompts.models.m.prompt_file',
      'global_prompts.backends.nobody',
    ])
  })

  it('of a wrong shape are problems', () => {
    const global_prompts = { default: 3, merge_strategy: 'mix', models: { m: { prompt: [1] } } }
    expect(pathsOf(problemsOf(importContinuum, { global_prompts })).toSorted()).toEqual([
      'global_prompts.default',
      'global_prompts.merge_strategy',
      'global_prompts.models.m.prompt',
    ])
  })
})

it.each([
  ['model_metadata_file', 'price of a backend'],
  ['rate_limiting', 'docs/limits.md'],
  ['api_keys', 'signalbox keys create'],
  ['server.keepalive_timeout', '75 s'],
  ['server.workers', 'SIGNALBOX_WORKERS'],
  ['health_checks.max_warmup_duration', '10 minutes'],
])('%s has a reason that is true of this version', (path, why) => {
  const [section = '', key] = path.split('.')
  const { unmapped } = imported({ [section]: key === undefined ? 'x' : { [key]: 5 } })
  expect(whyOf(unmapped, path)).toContain(why)
})

const text = fc.string().filter((one) => !one.includes('${'))
const seconds = fc.oneof(fc.integer({ min: 0, max: 100_000 }), fc.constantFrom('30s', '500ms'))
const some = (model: Record<string, fc.Arbitrary<unknown>>) =>
  fc.record({ ...model, extra: text }, { requiredKeys: [] })
const mode = fc.constantFrom('prepend', 'append', 'replace')
const prompt = fc.oneof(text, some({ prompt: text, merge_strategy: mode }))
const file = some({
  deduplication: some({ enabled: fc.boolean(), ttl: seconds }),
  cache: some({ enabled: fc.boolean(), ttl: seconds, deduplication_ttl: seconds }),
  response_cache: some({ enabled: fc.boolean(), max_response_size: fc.nat() }),
  http_client: some({ pool_idle_timeout: seconds, pool_max_idle_per_host: fc.nat() }),
  global_prompts: some({
    ...{ default: prompt, merge_strategy: mode },
    models: fc.dictionary(fc.constantFrom('m', 'no name'), prompt),
    backends: fc.dictionary(fc.constantFrom('a', 'b'), prompt),
  }),
  backends: fc
    .array(some({ name: fc.constantFrom('a', 'c'), system_prompt: text }), {
      maxLength: 3,
    })
    .map((all) => all.map((one) => ({ ...one, url }))),
})

it('a file that fits loses nothing, and becomes what the control plane takes', () => {
  fc.assert(
    fc.property(file, (input) => {
      expect(lostLeaves(importContinuum, input)).toEqual([])
      expect(refusalOf(imported(input).config)).toBeUndefined()
    }),
    { numRuns: 100 },
  )
})
