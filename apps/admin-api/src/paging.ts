import { readWhole } from './request.ts'

/** A page of what is numbered and listed newest first: `limit`, and `cursor`, the last number. */
export function readPage(
  query: Readonly<Record<string, string | undefined>>,
  { most, otherwise }: { readonly most: number; readonly otherwise: number },
): { readonly limit: number; readonly before: number | null } {
  const limit = readWhole(query, 'limit', { min: 1, max: most, otherwise })
  if (query['cursor'] === undefined) return { limit, before: null }
  const all = { min: 1, max: Number.MAX_SAFE_INTEGER, otherwise: 0 }
  return { limit, before: readWhole(query, 'cursor', all) }
}
