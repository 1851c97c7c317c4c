import { importedBy } from './import-harness.ts'
import { importContinuum } from './continuum.ts'
import { importLiteLlm } from './litellm.ts'

const MANY = 8_000
const times = <Item>(make: (index: number) => Item) =>
  Array.from({ length: MANY }, (_, n) => make(n))

it('thousands of backends of one host get an id each', () => {
  const backends = times(() => ({ url: 'http://h.test', weight: 1 }))
  const weights = Object.fromEntries(times((n) => [`http://h${n}.test`, 1]))
  const { config } = importedBy(importContinuum, { routing: { weights }, backends })
  expect(Object.keys(config.backends).length).toBe(MANY)
  expect(config.backends[`h-test-${MANY}`]).toBeDefined()
})

it('thousands of models with a policy each, and fallbacks to all, share their backend', () => {
  const model_list = times((n) => ({
    model_name: `m${n}`,
    litellm_params: { model: 'hosted_vllm/m', api_base: 'http://h.test', timeout: n + 1 },
  }))
  const default_fallbacks = times((n) => `m${n}`)
  const file = { model_list, router_settings: { default_fallbacks } }
  const { config } = importedBy(importLiteLlm, file)
  expect(Object.keys(config.routes).length).toBe(MANY)
  expect(Object.keys(config.policies).length).toBe(MANY + 1)
  expect(Object.keys(config.backends)).toEqual(['hosted-vllm-h-test'])
})
