import { readWhole, wrongParameter } from './request.ts'

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

/** Of lists that are sorted by id and show what is observed now, each page as it is by then. */
export const BY_ID = { most: 1_000, otherwise: 100 } as const

/** A page of such a list: `limit`, and `cursor`, which holds the last id. */
export function readPart(query: Readonly<Record<string, string | undefined>>): {
  readonly limit: number
  readonly after: string
} {
  const limit = readWhole(query, 'limit', { min: 1, max: BY_ID.most, otherwise: BY_ID.otherwise })
  const { cursor } = query
  if (cursor === undefined) return { limit, after: '' }
  const after = Buffer.from(cursor, 'base64url').toString('utf8')
  if (after !== '' && !after.includes('\0') && cursorOf(after) === cursor) return { limit, after }
  throw wrongParameter('cursor', 'expected the nextCursor of an earlier page')
}

/** What was found, of which one more than a page was asked for. */
export function presentPart<Item>(
  found: readonly Item[],
  limit: number,
  idOf: (item: Item) => string,
): { readonly items: readonly Item[]; readonly nextCursor: string | null } {
  const items = found.slice(0, limit)
  const last = found.length > limit ? items.at(-1) : undefined
  return { items, nextCursor: last === undefined ? null : cursorOf(idOf(last)) }
}

function cursorOf(id: string): string {
  return Buffer.from(id).toString('base64url')
}
