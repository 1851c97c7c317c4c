import { type Tokens } from '@signalbox/model'
import { parsedJson } from '../fields.ts'
import { countOf, type Seen } from '../tokens.ts'
import { lastLine, lastNumbers } from './streams.ts'

const decoder = new TextDecoder('latin1')

/** The counts stand in the last line, beside how long it took. */
export function readTokens({ tail, events }: Seen): Tokens | undefined {
  const text = events ? lastLine(tail).line : decoder.decode(tail).trimEnd()
  const said = parsedJson(text) ?? lastNumbers(text)
  const prompt = countOf(said, 'prompt_eval_count')
  const completion = countOf(said, 'eval_count')
  if (prompt === null && completion === null) return undefined
  return { prompt, completion, cached: null, reasoning: null }
}
