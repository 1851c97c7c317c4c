import { lostLeaves, pathsOf } from './import-harness.ts'
import { at, imported, model, problems, target } from './litellm-harness.ts'
import { importLiteLlm } from './litellm.ts'

const ENV = { OPENAI_API_KEY: 'sk-openai' }

describe('a provider', () => {
  it.each([
    ['openai/gpt-4o', {}, 'openai', 'https://api.openai.com', 'gpt-4o'],
    ['o3-mini', {}, 'openai', 'https://api.openai.com', 'o3-mini'],
    ['openai/org/m', { api_base: 'http://h:1/v1' }, 'openai-compatible', 'http://h:1/v1', 'org/m'],
    ['claude-3-haiku', {}, 'anthropic', 'https://api.anthropic.com', 'claude-3-haiku'],
    [
      'gemini/gemini-2.5-flash',
      {},
      'gemini',
      'https://generativelanguage.googleapis.com/v1beta/openai',
      'gemini-2.5-flash',
    ],
    ['ollama/qwen:4b', {}, 'ollama', 'http://localhost:11434', 'qwen:4b'],
    ['hosted_vllm/a/b', { base_url: 'http://h:1' }, 'vllm', 'http://h:1', 'a/b'],
    ['huggingface/x', { api_base: 'http://h:1' }, 'tgi', 'http://h:1', 'x'],
    ['groq/llama', {}, 'openai-compatible', 'https://api.groq.com/openai/v1', 'llama'],
    ['m', { custom_llm_provider: 'xai' }, 'openai-compatible', 'https://api.x.ai/v1', 'm'],
  ])('of %s with %j is of kind %s at %s', (text, params, kind, url, name) => {
    const { config, unmapped } = imported({
      model_list: [model(text, { api_key: 'k', ...params })],
    })
    const [id] = Object.keys(config.backends)
    expect(config.backends).toEqual({ [id ?? '']: { kind, url, models: [], apiKey: 'k' } })
    expect(config.routes).toEqual({ m: { tiers: [{ targets: [target(id ?? '', name)] }] } })
    expect(unmapped).toEqual([])
  })

  it.each([
    ['vertex_ai/gemini-pro', {}, 'no kind of backend for this provider: vertex_ai'],
    ['hosted_vllm/m', {}, 'no api_base'],
    ['mystery', { api_base: 'http://h.test' }, 'no provider in front'],
    ['openai/has space', {}, 'expected a model name'],
    ['openai/*', {}, 'no patterns'],
    ['openai/m', { api_base: 'http://u:p@h.test' }, 'no credentials in the URL'],
  ])('of %s with %j is left out and reported', (text, params, why) => {
    const { config, unmapped } = imported({
      model_list: [model(text, { api_key: 'k', ...params })],
    })
    expect(config).toEqual({ backends: {}, routes: {}, policies: {} })
    expect(pathsOf(unmapped)).toEqual(['model_list.0'])
    expect(unmapped[0]?.why).toContain(why)
  })

  it('that a variable holds is not shown', () => {
    const list = { model_list: [model('${M}')] }
    const { unmapped } = imported(list, { M: 'hush/m' })
    expect(JSON.stringify(unmapped)).not.toContain('hush')
    expect(pathsOf(unmapped)).toEqual(['model_list.0'])
  })
})

describe('a key', () => {
  const keyOf = (params: object, env = {}) => {
    const { config, unmapped } = imported({ model_list: [model('openai/m', params)] }, env)
    const [backend] = Object.values(config.backends) as { apiKey?: string }[]
    return [backend?.apiKey, pathsOf(unmapped)]
  }
  const path = 'model_list.0.litellm_params.api_key'

  it('is the one of the maker where the file has none', () => {
    expect(keyOf({}, ENV)).toEqual(['sk-openai', []])
  })

  it('is reported where there is none at all', () => {
    expect(keyOf({})).toEqual([undefined, [path]])
  })

  it('of the maker goes to no other address', () => {
    expect(keyOf({ api_base: 'http://h.test' }, ENV)).toEqual([undefined, []])
  })

  it('comes from environment_variables of the file first, which counts as read', () => {
    const file = {
      environment_variables: { KEY: 'os.environ/REAL', OTHER: 'x' },
      model_list: [model('openai/m', { api_key: 'os.environ/KEY' })],
    }
    const { config, unmapped } = imported(file, { KEY: 'outer', REAL: 'inner' })
    expect(config.backends).toEqual({ openai: expect.objectContaining({ apiKey: 'inner' }) })
    expect(pathsOf(unmapped)).toEqual(['environment_variables.OTHER'])
    expect(lostLeaves(importLiteLlm, file, { REAL: 'inner' })).toEqual([])
  })

  it('that is not set is a problem that names the variable', () => {
    const list = { model_list: [model('openai/m', { api_key: 'os.environ/NONE' })] }
    expect(problems(list)).toEqual([{ path, message: 'variable NONE is not set' }])
  })

  it('need not be set where nothing is made of it', () => {
    const file = {
      model_list: [model('bedrock/m', { api_key: 'os.environ/NONE' })],
      general_settings: { master_key: 'os.environ/NONE' },
    }
    expect(pathsOf(imported(file).unmapped)).toEqual([
      'model_list.0',
      'general_settings.master_key',
    ])
  })

  it('makes two backends of one address, with ids of their own', () => {
    const list = ['a', 'b', 'a'].map((key) => at('m', { api_key: key }))
    const { config } = imported({ model_list: list })
    const ids = ['hosted-vllm-h-test-8000', 'hosted-vllm-h-test-8000-2']
    expect(Object.keys(config.backends)).toEqual(ids)
    expect(config.routes).toEqual({
      m: { tiers: [{ targets: [ids[0], ids[1], ids[0]].map((id) => target(id ?? '')) }] },
    })
  })
})

describe('a limit', () => {
  const limits = { max_parallel_requests: 3, rpm: 60, tpm: 9_000 }

  it('is one of the backend that the deployment has for itself', () => {
    const { config, unmapped } = imported({ model_list: [at('a', limits)] })
    expect(Object.values(config.backends)).toEqual([
      expect.objectContaining({ limits: { concurrency: 3, rpm: 60, tpm: 9_000 } }),
    ])
    expect(unmapped).toEqual([])
  })

  it('is reported where deployments share a backend', () => {
    const list = [at('a', limits), at('b')]
    const { config, unmapped } = imported({ model_list: list })
    expect(JSON.stringify(config)).not.toContain('limits')
    expect(pathsOf(unmapped)).toEqual(
      Object.keys(limits).map((key) => `model_list.0.litellm_params.${key}`),
    )
  })

  it('that no backend may have is reported', () => {
    const { config, unmapped } = imported({ model_list: [at('a', { rpm: 0 })] })
    expect(JSON.stringify(config)).not.toContain('rpm')
    expect(pathsOf(unmapped)).toEqual(['model_list.0.litellm_params.rpm'])
  })
})

describe('a price', () => {
  const costs = { input_cost_per_token: 1.5e-7, output_cost_per_token: 6e-7 }
  const price = { inputPerMTok: 0.15, outputPerMTok: 0.6 }

  it('is for a million tokens of a backend whose deployments say the same', () => {
    const { config, unmapped } = imported({
      model_list: [
        at('a', { ...costs, cache_read_input_token_cost: 3e-8 }),
        { ...at('b', { ...costs }), model_info: { cache_read_input_token_cost: 3e-8 } },
      ],
    })
    expect(Object.values(config.backends)).toEqual([
      expect.objectContaining({ price: { ...price, cachedInputPerMTok: 0.03 } }),
    ])
    expect(unmapped).toEqual([])
  })

  it.each([
    ['of which one deployment says nothing', [at('a', costs), at('b')]],
    ['of which only a half is said', [at('a', { input_cost_per_token: 1e-7 })]],
    ['that is too high', [at('a', { input_cost_per_token: 2, output_cost_per_token: 2 })]],
  ])('%s is reported', (_what, model_list) => {
    const { config, unmapped } = imported({ model_list })
    expect(JSON.stringify(config)).not.toContain('price')
    expect(pathsOf(unmapped)).toEqual(
      Object.keys(costs)
        .filter((key) => key in (model_list[0]?.litellm_params ?? {}))
        .map((key) => `model_list.0.litellm_params.${key}`),
    )
  })
})

describe('drop_params of a deployment', () => {
  it('is its policy, and lets fields be dropped', () => {
    const { config, unmapped } = imported({ model_list: [at('a', { drop_params: true }), at('b')] })
    const strategy = 'WeightedRoundRobin'
    expect(config.policies).toEqual({
      default: { strategy },
      a: { strategy, translation: 'lenient' },
    })
    expect(unmapped).toEqual([])
  })
})

describe('a cache', () => {
  const cached = (cache_params: object) => {
    const litellm_settings = { cache: true, cache_params }
    const { config, unmapped } = imported({ model_list: [at('a')], litellm_settings })
    return [(config.policies['default'] as { cache?: unknown }).cache, pathsOf(unmapped)]
  }

  it('is one of the policy; where answers are kept belongs to the process', () => {
    expect(cached({ type: 'redis', ttl: 600 })).toEqual([
      { enabled: true, ttl: 600 },
      ['litellm_settings.cache_params.type'],
    ])
  })

  it('that requests have to ask for is reported', () => {
    expect(cached({ mode: 'default_off' })).toEqual([
      undefined,
      ['litellm_settings.cache', 'litellm_settings.cache_params.mode'],
    ])
  })
})

describe('the pattern *', () => {
  it('makes a backend that discovers its models, and no route', () => {
    const any = { model_name: '*', litellm_params: { model: 'openai/*', api_key: 'k', weight: 2 } }
    const { config, unmapped } = imported({ model_list: [any] })
    expect(config.backends).toEqual({ openai: expect.objectContaining({ models: 'discover' }) })
    expect(config.routes).toEqual({})
    expect(pathsOf(unmapped)).toEqual(['model_list.0.litellm_params.weight'])
  })
})
