import { lostLeaves, pathsOf, refusalOf, whyOf } from './import-harness.ts'
import { at, imported, problems, target } from './litellm-harness.ts'
import { importLiteLlm } from './litellm.ts'

const FULL = {
  model_list: [
    {
      model_name: 'gpt-4o',
      litellm_params: { model: 'openai/gpt-4o', api_key: 'os.environ/OPENAI_API_KEY', weight: 3 },
      model_info: { id: 'first', mode: 'chat' },
    },
    {
      model_name: 'gpt-4o',
      litellm_params: {
        model: 'azure/my-gpt-4o',
        api_base: 'https://eu.openai.azure.com/',
        api_key: 'azure-key',
        api_version: '2024-10-21',
        weight: 1,
        rpm: 60,
        tpm: 100_000,
      },
    },
    {
      model_name: 'gpt-4o-mini',
      litellm_params: { model: 'gpt-4o-mini', api_key: '${OPENAI_API_KEY}', timeout: 20 },
    },
    {
      model_name: 'llama3',
      litellm_params: {
        model: 'ollama_chat/llama3:8b',
        api_base: 'http://gpu-1:11434',
        max_parallel_requests: 4,
      },
    },
    {
      model_name: 'claude',
      litellm_params: { model: 'bedrock/anthropic.claude-v2', aws_region_name: 'us-east-1' },
    },
  ],
  router_settings: {
    routing_strategy: 'simple-shuffle',
    num_retries: 2,
    timeout: 30,
    stream_timeout: 120,
    allowed_fails: 3,
    cooldown_time: 30,
    fallbacks: [{ 'gpt-4o': ['gpt-4o-mini', 'claude'] }],
    model_group_alias: { 'gpt-4': 'gpt-4o', hidden: { model: 'llama3', hidden: true } },
  },
  litellm_settings: { drop_params: true, request_timeout: 600, cache: true, num_retries: 5 },
  general_settings: {
    master_key: 'os.environ/LITELLM_MASTER_KEY',
    database_url: 'postgresql://u:p@h/db',
    health_check_interval: 60,
  },
}
const ENV = { OPENAI_API_KEY: 'sk-openai' }
const timeouts = { totalMs: 30_000, streamTotalMs: 120_000 }

describe('a whole file', () => {
  const { config, unmapped } = imported(FULL, ENV)
  const common = { health: { intervalMs: 60_000 } }

  it('becomes a backend for each address with its key', () => {
    expect(config.backends).toEqual({
      openai: {
        ...common,
        kind: 'openai',
        url: 'https://api.openai.com',
        models: [],
        apiKey: 'sk-openai',
      },
      'azure-eu-openai-azure-com': {
        ...common,
        kind: 'azure-openai',
        url: 'https://eu.openai.azure.com/openai/v1',
        models: [],
        apiKey: 'azure-key',
        limits: { rpm: 60, tpm: 100_000 },
      },
      'ollama-chat-gpu-1-11434': {
        ...common,
        kind: 'ollama',
        url: 'http://gpu-1:11434',
        models: [],
        limits: { concurrency: 4 },
      },
    })
  })

  it('becomes a route for each model name', () => {
    const mini = { targets: [target('openai', 'gpt-4o-mini')] }
    expect(config.routes).toEqual({
      'gpt-4o': {
        aliases: ['gpt-4'],
        tiers: [
          {
            targets: [
              target('openai', 'gpt-4o', 3),
              target('azure-eu-openai-azure-com', 'my-gpt-4o'),
            ],
          },
          mini,
        ],
      },
      'gpt-4o-mini': { tiers: [mini], policy: 'gpt-4o-mini' },
      llama3: {
        aliases: ['hidden'],
        tiers: [{ targets: [target('ollama-chat-gpu-1-11434', 'llama3:8b')] }],
      },
    })
  })

  it('becomes the default policy, and one for a model with a timeout of its own', () => {
    const strategy = 'WeightedRoundRobin'
    const common = {
      ...{ strategy, retry: { maxRetries: 2 } },
      ...{ translation: 'lenient', cache: { enabled: true } },
    }
    expect(config.policies).toEqual({
      default: { ...common, timeouts },
      'gpt-4o-mini': { ...common, timeouts: { ...timeouts, totalMs: 20_000 } },
    })
  })

  it('is taken by the control plane', () => {
    expect(refusalOf(config)).toBeUndefined()
  })

  it('reports what has no place', () => {
    expect(pathsOf(unmapped)).toEqual([
      'model_list.0.model_info.id',
      'model_list.0.model_info.mode',
      'model_list.1.litellm_params.api_version',
      'model_list.4',
      'router_settings.allowed_fails',
      'router_settings.cooldown_time',
      'router_settings.fallbacks',
      'router_settings.fallbacks.0.gpt-4o.1',
      'router_settings.model_group_alias.hidden.hidden',
      'litellm_settings.request_timeout',
      'litellm_settings.num_retries',
      'general_settings.master_key',
      'general_settings.database_url',
    ])
    expect(whyOf(unmapped, 'model_list.4')).toContain('bedrock')
    expect(whyOf(unmapped, 'router_settings.fallbacks')).toContain('further tiers')
  })

  it('loses nothing', () => {
    expect(lostLeaves(importLiteLlm, FULL, ENV)).toEqual([])
  })

  it('shows no secret outside of apiKey', () => {
    const shown = JSON.stringify([config, unmapped], (key, value: unknown) =>
      key === 'apiKey' ? undefined : value,
    )
    expect(shown).not.toMatch(/sk-openai|azure-key|u:p@/)
  })
})

describe('a strategy', () => {
  const strategyOf = (routing_strategy: string) => {
    const file = { model_list: [at('m')], router_settings: { routing_strategy } }
    const { config, unmapped } = imported(file)
    return [config.policies, pathsOf(unmapped)]
  }

  it('by latency is LeastLatency', () => {
    const policies = { default: { strategy: 'LeastLatency' } }
    expect(strategyOf('latency-based-routing')).toEqual([policies, []])
  })

  it('by requests in flight is LeastRequests', () => {
    const policies = { default: { strategy: 'LeastRequests' } }
    expect(strategyOf('least-busy')).toEqual([policies, []])
  })

  it.each(['usage-based-routing', 'usage-based-routing-v2', 'of-my-own'])(
    '%s is reported',
    (name) => {
      const policies = { default: { strategy: 'WeightedRoundRobin' } }
      expect(strategyOf(name)).toEqual([policies, ['router_settings.routing_strategy']])
    },
  )
})

describe('wrong shapes', () => {
  it('are problems, all of them at once', () => {
    const found = problems({
      model_list: [
        'gpt-4o',
        { model_name: 'm' },
        { model_name: 5, litellm_params: {} },
        at('m', { api_base: 'here' }),
        at('m', { weight: 'three', order: -1, timeout: 'soon', num_retries: 1.5 }),
        at('m', { api_key: 'two words', max_parallel_requests: true }),
      ],
      router_settings: {
        routing_strategy: 1,
        timeout: [],
        fallbacks: { a: 'b' },
        model_group_alias: { x: 3, y: {}, z: { model: 'm', hidden: 'no' } },
      },
      litellm_settings: 'none',
      general_settings: [],
      environment_variables: { A: {} },
    })
    expect([...pathsOf(found)].sort()).toEqual([
      'environment_variables.A',
      'general_settings',
      'litellm_settings',
      'model_list.0',
      'model_list.1',
      'model_list.2.litellm_params.model',
      'model_list.2.model_name',
      'model_list.3.litellm_params.api_base',
      'model_list.4.litellm_params.num_retries',
      'model_list.4.litellm_params.order',
      'model_list.4.litellm_params.timeout',
      'model_list.4.litellm_params.weight',
      'model_list.5.litellm_params.api_key',
      'model_list.5.litellm_params.max_parallel_requests',
      'router_settings.fallbacks',
      'router_settings.model_group_alias.x',
      'router_settings.model_group_alias.y.model',
      'router_settings.model_group_alias.z.hidden',
      'router_settings.routing_strategy',
      'router_settings.timeout',
    ])
  })

  it.each([[{}], ['x'], [3]])('refuse a model_list that is %j', (model_list) => {
    expect(problems({ model_list })).toEqual([{ path: 'model_list', message: 'expected a list' }])
  })

  it('that only the whole shows name where they come from', () => {
    const names = Array.from({ length: 101 }, (_, index) => [`x${index}`, 'm'] as const)
    const file = {
      model_list: [at('m')],
      router_settings: { model_group_alias: Object.fromEntries(names) },
    }
    expect(problems(file)).toEqual([
      { path: 'model_list.0', message: expect.stringContaining('route m would not be valid') },
    ])
  })
})
