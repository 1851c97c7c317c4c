import fc from 'fast-check'
import { anyFile, importedBy, lostLeaves, refusalOf } from './import-harness.ts'
import { importLiteLlm } from './litellm.ts'

const ENV = { KEY: 'sk-1', OPENAI_API_KEY: 'sk-2', A: 'a' }

const sections = 'model_list,router_settings,litellm_settings,general_settings'
const params = 'model_name,litellm_params,model,api_base,api_key,weight,order,timeout,num_retries'
const settings = 'fallbacks,default_fallbacks,model_group_alias,routing_strategy,hidden,a,*'
const names = [sections, 'environment_variables', params, settings].flatMap((all) => all.split(','))

const scalar = fc.oneof(fc.string(), fc.integer(), fc.boolean())
const some = (model: Record<string, fc.Arbitrary<unknown>>) =>
  fc.record({ ...model, extra: scalar }, { requiredKeys: [] })
const seconds = fc.oneof(fc.integer({ min: 0, max: 600 }), fc.constantFrom('30s', '500ms'))
const count = fc.integer({ min: 0, max: 15 })
const name = fc.constantFrom('a', 'b', 'c', 'd', 'no name')
const lists = fc.array(fc.dictionary(fc.oneof(name, fc.constant('*')), fc.array(name)))

const deployment = fc.record(
  {
    model_name: fc.oneof(name, fc.constant('*')),
    litellm_params: fc.record(
      {
        model: fc.constantFrom('openai/m', 'hosted_vllm/m', 'bedrock/m', 'm', 'openai/*', 'groq/x'),
        api_base: fc.constantFrom('http://h1.test', 'http://h2.test/v1', 'unix:///x'),
        base_url: fc.constantFrom('http://h3.test'),
        api_key: fc.constantFrom('os.environ/KEY', '${KEY}', 'sk-3', 'os.environ/OWN'),
        weight: fc.oneof(count, fc.constantFrom(0.25, 0.1)),
        order: fc.integer({ min: 1, max: 3 }),
        timeout: seconds,
        stream_timeout: seconds,
        num_retries: count,
        max_retries: count,
        max_parallel_requests: count,
        rpm: count,
        input_cost_per_token: fc.constantFrom(0, 1e-7, 3),
        output_cost_per_token: fc.constantFrom(0, 1e-7),
        drop_params: fc.boolean(),
        extra: scalar,
      },
      { requiredKeys: ['model'] },
    ),
    model_info: some({ id: scalar, input_cost_per_token: fc.constantFrom(0, 1e-7) }),
  },
  { requiredKeys: ['model_name', 'litellm_params'] },
)

const fits = fc.record(
  {
    model_list: fc.array(deployment, { maxLength: 6 }),
    router_settings: some({
      routing_strategy: fc.constantFrom('simple-shuffle', 'latency-based-routing', 'least-busy'),
      num_retries: count,
      timeout: seconds,
      stream_timeout: seconds,
      allowed_fails: count,
      fallbacks: lists,
      default_fallbacks: fc.array(name),
      model_group_alias: fc.dictionary(fc.constantFrom('x', 'y', 'a'), name),
    }),
    litellm_settings: some({
      ...{ num_retries: count, request_timeout: seconds, fallbacks: lists },
      ...{ drop_params: fc.boolean(), cache: fc.boolean() },
      cache_params: some({ ttl: seconds, mode: fc.constantFrom('default_on', 'default_off') }),
    }),
    general_settings: some({ master_key: scalar, health_check_interval: seconds }),
    environment_variables: fc.constant({ OWN: 'sk-4', OTHER: 'x' }),
    unknown: scalar,
  },
  { requiredKeys: ['environment_variables'] },
)

it('any file is refused with reasons, or taken by the control plane', () => {
  fc.assert(
    fc.property(anyFile(names), (input) => {
      const result = importLiteLlm(input, ENV)
      if (!result.ok) return result.error.length > 0
      return refusalOf(result.value.config) === undefined
    }),
    { numRuns: 500 },
  )
})

it('a file that fits loses nothing: a value is read or reported', () => {
  fc.assert(
    fc.property(fits, (input) => {
      expect(lostLeaves(importLiteLlm, input, ENV)).toEqual([])
    }),
    { numRuns: 100 },
  )
})

it('a file that fits becomes what the control plane takes', () => {
  fc.assert(
    fc.property(fits, (input) => {
      expect(refusalOf(importedBy(importLiteLlm, input, ENV).config)).toBeUndefined()
    }),
    { numRuns: 500 },
  )
})
