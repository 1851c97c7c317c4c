import { type Tokens } from '@signalbox/model'
import { countOf, lastUsage, type Seen } from '../tokens.ts'

/** Both words for the two counts: those of chat, and those of responses, images and transcripts. */
export function readTokens(seen: Seen): Tokens | undefined {
  const usage = lastUsage(seen, 'usage')
  if (!usage) return undefined
  const completion = countOf(usage, 'completion_tokens', 'output_tokens')
  const prompt = countOf(usage, 'prompt_tokens', 'input_tokens')
  if (prompt === null && completion === null && countOf(usage, 'total_tokens') === null) {
    return undefined
  }
  const promptDetails = usage['prompt_tokens_details'] ?? usage['input_tokens_details']
  const details = usage['completion_tokens_details'] ?? usage['output_tokens_details']
  return {
    // Who ranks documents counts them all together.
    prompt: prompt ?? (completion === null ? countOf(usage, 'total_tokens') : null),
    completion,
    cached: countOf(promptDetails, 'cached_tokens'),
    reasoning: countOf(details, 'reasoning_tokens'),
  }
}
