import { type AdminClient } from './client.ts'

interface LastUses {
  readonly items: readonly { readonly principal: string; readonly at: string }[]
  /** Of a server that answers a page at a time. */
  readonly nextCursor?: string | null
}

/** When each principal was last seen; whoever has not been seen is not in it. */
export async function lastUses(client: AdminClient): Promise<ReadonlyMap<string, string>> {
  const uses = new Map<string, string>()
  let cursor: string | undefined
  for (;;) {
    const page = await client.get<LastUses>('audit/last-uses', { cursor })
    for (const { principal, at } of page.items) uses.set(principal, at)
    if (typeof page.nextCursor !== 'string') return uses
    cursor = page.nextCursor
  }
}
