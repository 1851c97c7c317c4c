export * from './anthropic/index.ts'
export * from './chat.ts'
export * from './codec.ts'
export * from './dialect.ts'
export { type Json, jsonOf, type Leniency, type Problem } from './fields.ts'
export * from './gemini/index.ts'
export * from './kinds.ts'
export * from './ollama/index.ts'
export * from './openai/index.ts'
export { operationAt, type OperationAt, passes, servedBy } from './operation-at.ts'
export { type StreamEnd } from './openai/stream-end.ts'
export { type UsageSieve } from './openai/usage-sieve.ts'
export {
  type Seen,
  TOKENS_HEAD_BYTES,
  TOKENS_STREAM_TAIL_BYTES,
  TOKENS_TAIL_BYTES,
  tokensOf,
} from './tokens.ts'
export * from './upstream-path.ts'
