import { importedBy, problemsOf } from './import-harness.ts'
import { importLiteLlm } from './litellm.ts'

export const imported = (input: unknown, env = {}) => importedBy(importLiteLlm, input, env)
export const problems = (input: unknown, env = {}) => problemsOf(importLiteLlm, input, env)

/** One entry of model_list, at an address of its own so that it needs no key. */
export const at = (name: string, params: object = {}) => ({
  model_name: name,
  litellm_params: { model: 'hosted_vllm/m', api_base: 'http://h.test:8000', ...params },
})
export const model = (text: string, params: object = {}) => ({
  model_name: 'm',
  litellm_params: { model: text, ...params },
})
export const target = (backend: string, name = 'm', weight = 1) => ({
  backend,
  model: name,
  weight,
})
