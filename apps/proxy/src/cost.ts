import { costOf, listPrice, type Price, type RequestRecord } from '@signalbox/model'
import { type CompiledTarget } from '@signalbox/routing'
import { type Passage } from './passage.ts'

const ERROR_STATUS_MIN = 400

/** What the backend asks for this model: by its own spec, or else by the vendors' lists. */
export function priceOf({ backend: { spec }, model }: CompiledTarget): Price | undefined {
  return spec.price ?? listPrice(spec.kind, model)
}

/**
 * US dollars. Null where no backend answered (from a cache, too), where nobody knows the price, and
 * where nobody knows or guesses the tokens.
 */
export function costOfRequest(
  { price, firstByteMs }: Pick<Passage, 'price' | 'firstByteMs'>,
  { status, tokens }: Pick<RequestRecord, 'status' | 'tokens'>,
): number | null {
  if (!price || firstByteMs === null || status >= ERROR_STATUS_MIN) return null
  if (tokens.prompt === null && tokens.completion === null) return null
  return costOf(tokens, price)
}
