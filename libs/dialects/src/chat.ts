import { type Json } from './fields.ts'

/**
 * The hub: OpenAI's chat completions, to and from which every dialect translates. Members that
 * OpenAI's API does not have are declared here, and nowhere else:
 *
 * - request `thinking` {type, budget_tokens}: Anthropic's, beside `reasoning_effort`; `top_k`;
 * - message and delta `reasoning_content`: thoughts as text, as vLLM and DeepSeek write it;
 * - message and delta `thinking_blocks`: Anthropic's, with their signatures. In a delta a block
 *   closes the thoughts since the one before it: it has the signature and no text;
 * - `extra_content.google.thought_signature` of a message or tool call: as Google's own
 *   OpenAI-compatible API writes it;
 * - `cache_control` of a part, message or tool; `is_error` of a tool's result;
 * - part `file` with `file_url`: a document by its address;
 * - choice `stop_reason`: the stop sequence that was met, as vLLM writes it.
 *
 * A request comes from a client, so that it is only known to be an object with these two members:
 * who writes it in another dialect reads each field as something that may be wrong.
 */
export interface ChatRequest extends Json {
  readonly model: string
  readonly messages: readonly unknown[]
}

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter'

export interface ThinkingBlock {
  readonly type: 'thinking' | 'redacted_thinking'
  readonly thinking?: string
  readonly signature?: string
  readonly data?: string
}

export interface GoogleExtra {
  readonly google: { readonly thought_signature: string }
}

export interface ToolCall {
  readonly id: string
  readonly type: 'function'
  readonly function: { readonly name: string; readonly arguments: string }
  readonly extra_content?: GoogleExtra
}

export interface AnswerMessage {
  readonly role: 'assistant'
  readonly content: string | null
  readonly refusal?: string
  readonly reasoning_content?: string
  readonly thinking_blocks?: readonly ThinkingBlock[]
  readonly tool_calls?: readonly ToolCall[]
  readonly extra_content?: GoogleExtra
}

export interface TokenLogprob {
  readonly token: string
  readonly logprob: number
  readonly bytes: readonly number[] | null
  readonly top_logprobs: readonly Omit<TokenLogprob, 'top_logprobs'>[]
}

export interface Logprobs {
  readonly content: readonly TokenLogprob[] | null
}

/** All prompt tokens count in prompt_tokens, those read from and written to a cache too. */
export interface Usage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
  readonly prompt_tokens_details?: {
    readonly cached_tokens: number
    readonly cache_write_tokens?: number
  }
  readonly completion_tokens_details?: { readonly reasoning_tokens: number }
}

export interface AnswerChoice {
  readonly index: number
  readonly message: AnswerMessage
  readonly finish_reason: FinishReason
  readonly logprobs?: Logprobs
  readonly stop_reason?: string
}

export interface ChatAnswer {
  readonly id: string
  readonly createdS: number
  readonly model: string
  readonly choices: readonly AnswerChoice[]
  readonly usage?: Usage
}

export interface ToolCallDelta {
  readonly index: number
  /** With the first delta of a call, and only there; so is the name. */
  readonly id?: string
  readonly name?: string
  readonly arguments?: string
  readonly extra_content?: GoogleExtra
}

export interface Delta {
  readonly role?: 'assistant'
  readonly content?: string
  readonly refusal?: string
  readonly reasoning_content?: string
  readonly thinking_blocks?: readonly ThinkingBlock[]
  readonly tool_calls?: readonly ToolCallDelta[]
  readonly extra_content?: GoogleExtra
}

export interface ChunkChoice {
  readonly index: number
  readonly delta: Delta
  readonly finish_reason?: FinishReason
  readonly logprobs?: Logprobs
  readonly stop_reason?: string
}

export interface ChatChunk {
  readonly id: string
  readonly createdS: number
  readonly model: string
  readonly choices: readonly ChunkChoice[]
  readonly usage?: Usage
}

/** An error answer of a backend, of any dialect. */
export interface UpstreamError {
  readonly status: number
  readonly message: string
  /** The backend's own word for it: `rate_limit_error`, `RESOURCE_EXHAUSTED`. */
  readonly type: string | null
  readonly code: string | null
  readonly param: string | null
}

/** What an answer says of itself where the backend does not. */
export interface AnswerContext {
  readonly id: string
  readonly model: string
  readonly createdS: number
  /** Whether a stream of OpenAI's ends in a chunk with the usage. */
  readonly includeUsage: boolean
}

export function usageOf(counts: {
  readonly prompt: number
  readonly completion: number
  readonly cached: number
  readonly cacheWrite?: number
  readonly reasoning: number
}): Usage {
  const { prompt, completion, cached, cacheWrite = 0, reasoning } = counts
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: {
      cached_tokens: cached,
      ...(cacheWrite > 0 ? { cache_write_tokens: cacheWrite } : {}),
    },
    completion_tokens_details: { reasoning_tokens: reasoning },
  }
}
