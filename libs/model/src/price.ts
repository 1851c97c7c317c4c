import * as z from 'zod'
import { type Kind } from './backend.ts'
import { strict } from './fields.ts'
import { PRICES } from './prices.ts'
import { type Tokens } from './usage.ts'

const PRICE_MAX = 1_000_000
const usd = z.number().min(0).max(PRICE_MAX)

/** US dollars for a million tokens. */
export const priceSpec = strict({
  inputPerMTok: usd,
  outputPerMTok: usd,
  /** Of the input: read from the backend's cache. Where absent, like other input. */
  cachedInputPerMTok: usd.optional(),
})
export type Price = Readonly<z.output<typeof priceSpec>>

const TOKENS_A_MILLION = 1_000_000
/** `x-2026-01-31`, `x-20260131`, `x-latest`, `models/x`: the same model, the same price. */
const PREFIX = /^models\//
const DATED = /-(\d{4}-\d{2}-\d{2}|\d{8}|latest)$/

/** What vendors ask for a model by their public lists; undefined where no list has it. */
export function listPrice(kind: Kind, model: string): Price | undefined {
  const list = PRICES[kind]
  if (list === undefined) return undefined
  return list[model] ?? list[model.replace(PREFIX, '').replace(DATED, '')]
}

/** US dollars for these tokens. What was not counted costs nothing. */
export function costOf({ prompt, completion, cached }: Tokens, price: Price): number {
  const read = Math.min(cached ?? 0, prompt ?? 0)
  const { inputPerMTok, outputPerMTok, cachedInputPerMTok = inputPerMTok } = price
  const input = ((prompt ?? 0) - read) * inputPerMTok + read * cachedInputPerMTok
  return (input + (completion ?? 0) * outputPerMTok) / TOKENS_A_MILLION
}
