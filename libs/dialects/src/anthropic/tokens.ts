import { type Tokens } from '@signalbox/model'
import { countOf, firstUsage, lastUsage, type Seen, sumOf } from '../tokens.ts'

/**
 * A stream says at its beginning what went in and at its end what came out; of late all at the end,
 * which counts: what it says at first of its output is none. What came from or went into the cache
 * is counted beside the input, by us within it.
 */
export function readTokens(seen: Seen): Tokens | undefined {
  const last = lastUsage(seen, 'usage', 'message_start')
  const first = seen.events ? firstUsage(seen, 'usage') : undefined
  const usage = { ...first, ...withoutNulls(last) }
  const input = countOf(usage, 'input_tokens')
  const completion = countOf(last, 'output_tokens')
  if (input === null && completion === null) return undefined
  const cached = countOf(usage, 'cache_read_input_tokens')
  return {
    prompt: input === null ? null : sumOf(input, cached, countOf(usage, CACHE_WRITE)),
    completion,
    cached,
    reasoning: countOf(usage['output_tokens_details'], 'thinking_tokens'),
  }
}

const CACHE_WRITE = 'cache_creation_input_tokens'

function withoutNulls(usage: object = {}): Record<string, unknown> {
  return Object.fromEntries(Object.entries(usage).filter(([, value]) => value !== null))
}
