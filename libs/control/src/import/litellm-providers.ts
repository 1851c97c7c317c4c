import { type Kind } from '@signalbox/model'
import { baseFor, hostOf, isUrl } from './endpoint.ts'

/** A provider of LiteLLM as Signalbox reaches it. */
interface Provider {
  readonly kind: Kind
  /** Where LiteLLM calls it when the file names no other place. */
  readonly base?: string
  /** Where LiteLLM finds the key when the file has none. */
  readonly keyVariable?: string
}

const own = (kind: Kind, base?: string, keyVariable?: string): Provider => ({
  kind,
  ...(base === undefined ? {} : { base }),
  ...(keyVariable === undefined ? {} : { keyVariable }),
})
const like = (base?: string, keyVariable?: string) => own('openai-compatible', base, keyVariable)

const OPENAI_BASE = 'https://api.openai.com'
const OPENAI = own('openai', OPENAI_BASE, 'OPENAI_API_KEY')
const OPENAI_HOST = /(?:^|\.)api\.openai\.com$/

const PROVIDERS: ReadonlyMap<string, Provider> = new Map([
  ['openai', OPENAI],
  ['text-completion-openai', OPENAI],
  ['azure', own('azure-openai', undefined, 'AZURE_API_KEY')],
  ['azure_text', own('azure-openai', undefined, 'AZURE_API_KEY')],
  ['anthropic', own('anthropic', 'https://api.anthropic.com', 'ANTHROPIC_API_KEY')],
  ['gemini', own('gemini', 'https://generativelanguage.googleapis.com', 'GEMINI_API_KEY')],
  ['ollama', own('ollama', 'http://localhost:11434')],
  ['ollama_chat', own('ollama', 'http://localhost:11434')],
  ['hosted_vllm', own('vllm')],
  ['lm_studio', own('lmstudio')],
  ['llamafile', own('llamacpp', 'http://127.0.0.1:8080/v1')],
  ['huggingface', own('tgi')],
  ['litellm_proxy', like()],
  ['custom_openai', like()],
  ['openai_like', like()],
  ['xinference', like()],
  ['infinity', like()],
  ['cerebras', like('https://api.cerebras.ai/v1', 'CEREBRAS_API_KEY')],
  ['codestral', like('https://codestral.mistral.ai/v1', 'CODESTRAL_API_KEY')],
  ['deepinfra', like('https://api.deepinfra.com/v1/openai', 'DEEPINFRA_API_KEY')],
  ['deepseek', like('https://api.deepseek.com/v1', 'DEEPSEEK_API_KEY')],
  ['fireworks_ai', like('https://api.fireworks.ai/inference/v1', 'FIREWORKS_AI_API_KEY')],
  ['groq', like('https://api.groq.com/openai/v1', 'GROQ_API_KEY')],
  ['mistral', like('https://api.mistral.ai/v1', 'MISTRAL_API_KEY')],
  ['nvidia_nim', like('https://integrate.api.nvidia.com/v1', 'NVIDIA_NIM_API_KEY')],
  ['openrouter', like('https://openrouter.ai/api/v1', 'OPENROUTER_API_KEY')],
  ['sambanova', like('https://api.sambanova.ai/v1', 'SAMBANOVA_API_KEY')],
  ['together_ai', like('https://api.together.xyz/v1', 'TOGETHERAI_API_KEY')],
  ['xai', like('https://api.x.ai/v1', 'XAI_API_KEY')],
])

const OPENAI_NAME = /^(?:gpt-|chatgpt-|o[1-9](?:-|$)|text-embedding-|dall-e-)/
const ANTHROPIC_NAME = /^claude-/

export interface NamedModel {
  readonly provider: string
  readonly model: string
}

/** Who serves a model string, and its name there; undefined where only LiteLLM would know. */
export function splitModel(text: string, saidProvider: string | undefined): NamedModel | undefined {
  if (saidProvider !== undefined) {
    const prefix = `${saidProvider}/`
    const model = text.startsWith(prefix) ? text.slice(prefix.length) : text
    return { provider: saidProvider, model }
  }
  const slash = text.indexOf('/')
  if (slash > 0) return { provider: text.slice(0, slash), model: text.slice(slash + 1) }
  if (OPENAI_NAME.test(text)) return { provider: 'openai', model: text }
  return ANTHROPIC_NAME.test(text) ? { provider: 'anthropic', model: text } : undefined
}

export interface Endpoint {
  readonly kind: Kind
  readonly url: string
  /** What an id is made of. */
  readonly title: string
  /** Set where the key may come from there: a maker's key goes to nobody else's address. */
  readonly keyVariable?: string
}

export type NoEndpoint = 'no-kind' | 'no-base' | 'no-url'

/** Where a provider's backend is, or why there is none. */
export function endpointOf(provider: string, base: string | undefined): Endpoint | NoEndpoint {
  const known = PROVIDERS.get(provider)
  if (!known) return 'no-kind'
  const address = base ?? known.base
  if (address === undefined) return 'no-base'
  if (!isUrl(address)) return 'no-url'
  const elsewhere = known.kind === 'openai' && !OPENAI_HOST.test(hostOf(address))
  const kind = elsewhere ? 'openai-compatible' : known.kind
  const { hostname, port } = new URL(address)
  const ownAddress = base === undefined || kind === 'azure-openai'
  return {
    kind,
    url: baseFor(kind, address),
    title: base === undefined ? provider : `${provider} ${hostname} ${port}`,
    ...(ownAddress && known.keyVariable !== undefined ? { keyVariable: known.keyVariable } : {}),
  }
}
