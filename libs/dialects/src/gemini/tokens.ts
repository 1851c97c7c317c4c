import { type Tokens } from '@signalbox/model'
import { countOf, lastUsage, type Seen, sumOf } from '../tokens.ts'

/** Thoughts are counted beside what was said, by us within it; each event counts up to itself. */
export function readTokens(seen: Seen): Tokens | undefined {
  const usage = lastUsage(seen, 'usageMetadata')
  if (!usage) return undefined
  const reasoning = countOf(usage, 'thoughtsTokenCount')
  const prompt = sumOf(
    countOf(usage, 'promptTokenCount'),
    countOf(usage, 'toolUsePromptTokenCount'),
  )
  const completion = sumOf(countOf(usage, 'candidatesTokenCount'), reasoning)
  if (prompt === null && completion === null) return undefined
  return { prompt, completion, cached: countOf(usage, 'cachedContentTokenCount'), reasoning }
}
