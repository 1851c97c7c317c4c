import { type Kind } from './backend.ts'
import { type Price } from './price.ts'

/*
 * What the vendors' public lists say, US dollars for a million tokens: input, cached input, output.
 * Of prices that depend on the length of the prompt, the one for short prompts. Writing to a cache,
 * batches and faster tiers are not in it. A backend's `price` comes first.
 *
 * Sources, read in November 2026: developers.openai.com/api/docs/pricing,
 * platform.claude.com/docs/en/about-claude/pricing, ai.google.dev/gemini-api/docs/pricing.
 */
export const PRICES_AS_OF = '2026-11'

const price = (inputPerMTok: number, cachedInputPerMTok: number, outputPerMTok: number): Price => ({
  inputPerMTok,
  cachedInputPerMTok,
  outputPerMTok,
})

const OPENAI: Readonly<Record<string, Price>> = {
  'gpt-6-sol': price(2, 0.2, 10),
  'gpt-6-luna': price(0.1, 0.01, 0.5),
  'gpt-5.5': price(5, 0.5, 30),
  'gpt-5.4': price(2.5, 0.25, 15),
  'gpt-5.4-mini': price(0.75, 0.075, 4.5),
  'gpt-5.4-nano': price(0.2, 0.02, 1.25),
  'gpt-5.2': price(1.75, 0.175, 14),
  'gpt-5': price(1.25, 0.125, 10),
  'gpt-5-mini': price(0.25, 0.025, 2),
  'gpt-5-nano': price(0.05, 0.005, 0.4),
  'gpt-4.1': price(2, 0.5, 8),
  'gpt-4.1-mini': price(0.4, 0.1, 1.6),
  'gpt-4.1-nano': price(0.1, 0.025, 0.4),
  'gpt-4o': price(2.5, 1.25, 10),
  'gpt-4o-mini': price(0.15, 0.075, 0.6),
  o3: price(2, 0.5, 8),
  'o4-mini': price(1.1, 0.275, 4.4),
  'text-embedding-3-small': price(0.02, 0.02, 0),
  'text-embedding-3-large': price(0.13, 0.13, 0),
}

const OPUS = price(5, 0.5, 25)
const SONNET = price(3, 0.3, 15)
const ANTHROPIC: Readonly<Record<string, Price>> = {
  'claude-fable-5-1': price(10, 0.25, 50),
  'claude-fable-5': price(10, 1, 50),
  'claude-opus-5-5': price(4, 0.2, 20),
  'claude-opus-5': OPUS,
  'claude-opus-4-8': OPUS,
  'claude-opus-4-7': OPUS,
  'claude-opus-4-6': OPUS,
  'claude-opus-4-5': OPUS,
  'claude-opus-4-1': price(15, 1.5, 75),
  'claude-sonnet-5-5': price(2, 0.2, 10),
  'claude-sonnet-5': price(2, 0.2, 10),
  'claude-sonnet-4-6': SONNET,
  'claude-sonnet-4-5': SONNET,
  'claude-sonnet-4': SONNET,
  'claude-haiku-4-5': price(1, 0.1, 5),
  'claude-3-5-haiku': price(0.8, 0.08, 4),
}

const GEMINI: Readonly<Record<string, Price>> = {
  'gemini-2.5-pro': price(1.25, 0.125, 10),
  'gemini-2.5-flash': price(0.3, 0.03, 2.5),
  'gemini-2.5-flash-lite': price(0.1, 0.01, 0.4),
}

/** By kind of backend; what runs on one's own machines has no list price. */
export const PRICES: Readonly<Partial<Record<Kind, Readonly<Record<string, Price>>>>> = {
  openai: OPENAI,
  'azure-openai': OPENAI,
  anthropic: ANTHROPIC,
  gemini: GEMINI,
}
