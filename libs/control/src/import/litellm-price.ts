import { type Fragment } from './document.ts'
import { type Path, type Reader } from './reader.ts'
import { firstOf, misfit } from './settings.ts'

/** Which member of a price says what this key says of one token. */
export const COSTS = {
  input_cost_per_token: 'inputPerMTok',
  output_cost_per_token: 'outputPerMTok',
  cache_read_input_token_cost: 'cachedInputPerMTok',
} as const

const TOKENS_A_MILLION = 1_000_000
/** Takes away what the factor does to the last digits: 1.5e-7 is 0.15 a million. */
const DIGITS = 12
const HALF = 'a price has input_cost_per_token and output_cost_per_token'

/** What a deployment's tokens cost, by litellm_params or else by model_info. */
export function readPrice(reader: Reader, path: Path): Fragment | undefined {
  const places = pricePlaces(reader, path)
  const price: Record<string, number> = {}
  for (const [key, at] of places) {
    const usd = reader.number(at)
    if (usd === undefined) continue
    price[COSTS[key]] = Number((usd * TOKENS_A_MILLION).toPrecision(DIGITS))
  }
  if (Object.keys(price).length === 0) return undefined
  const whole = 'inputPerMTok' in price && 'outputPerMTok' in price
  const why = whole ? misfit('backend', { price }) : HALF
  if (why === undefined) return price
  for (const [, at] of places) reader.leave(at, why)
  return undefined
}

/** Where a deployment says what its tokens cost. */
export function pricePlaces(
  reader: Reader,
  path: Path,
): readonly (readonly [keyof typeof COSTS, Path])[] {
  return (Object.keys(COSTS) as (keyof typeof COSTS)[]).flatMap((key) => {
    const at = firstOf(reader, [
      [...path, 'litellm_params', key],
      [...path, 'model_info', key],
    ])
    return at ? [[key, at] as const] : []
  })
}
