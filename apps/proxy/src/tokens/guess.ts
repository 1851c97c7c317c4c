import { type Tokens, TOKENS_UNKNOWN } from '@signalbox/model'
import { type Passage } from '../passage.ts'
import { type Sample, SAMPLE_BYTES_MAX, sampleOf } from './sample.ts'
import { type Tokenizer } from './tokenizer.ts'

/**
 * Tokens of a request whose backend did not count them, or was cut off before it could, by a
 * tokenizer that need not be the model's own. Undefined where nothing is to be guessed.
 */
export function guessTokens(tokenizer: Tokenizer, passage: Passage): Promise<Tokens> | undefined {
  const { tokens, operation, route, exchange } = passage
  if (tokens.prompt !== null && tokens.completion !== null) return undefined
  const generates = operation.chat || operation.streams !== false
  if (!generates || !route?.policy.tokens.estimate) return undefined
  const said = exchange?.sample(SAMPLE_BYTES_MAX)
  if (!said || !passage.prompt) return undefined
  const { body, start, end } = passage.prompt
  const asked = body.subarray(start, Math.min(end, start + SAMPLE_BYTES_MAX))
  const samples = [sampleOf(asked, end - start), sampleOf(said.bytes, said.whole)] as const
  return guessed(tokenizer, tokens, samples)
}

async function guessed(
  tokenizer: Tokenizer,
  known: Tokens,
  samples: readonly [prompt: Sample, completion: Sample],
): Promise<Tokens> {
  const counts = await tokenizer.count(samples.map(({ text }) => text))
  if (!counts) return known
  const [prompt, completion] = samples.map(({ times }, index) =>
    Math.round((counts[index] ?? 0) * times),
  )
  return {
    ...TOKENS_UNKNOWN,
    ...known,
    prompt: known.prompt ?? prompt ?? null,
    completion: known.completion ?? completion ?? null,
    estimated: true,
  }
}
