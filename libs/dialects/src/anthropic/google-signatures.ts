import { type GoogleExtra, type ThinkingBlock } from '../chat.ts'
import { type Json } from '../fields.ts'

/**
 * Gemini signs texts and calls, and wants the signatures of calls back; Anthropic signs thoughts
 * alone. So a signature of Google's travels through Anthropic's clients in a thought of its own,
 * whose prefix says what it signs: a call, then the thought stands before it, or the text, then it
 * stands behind, as clients look for a text in the first block.
 */
const PREFIXES = { text: 'google.text:', call: 'google.call:' } as const
type Signed = keyof typeof PREFIXES

export function signatureBlocks(
  signed: Signed,
  extra: GoogleExtra | undefined,
): readonly (ThinkingBlock & Json)[] {
  if (!extra) return []
  const signature = `${PREFIXES[signed]}${extra.google.thought_signature}`
  return [{ type: 'thinking', thinking: '', signature }]
}

/** The signature for this, where such a thought holds one. */
export function extraIn(signed: Signed, signature: unknown): GoogleExtra | undefined {
  const prefix = PREFIXES[signed]
  if (typeof signature !== 'string' || !signature.startsWith(prefix)) return undefined
  return { google: { thought_signature: signature.slice(prefix.length) } }
}
