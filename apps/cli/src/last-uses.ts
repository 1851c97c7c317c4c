import { type AdminClient } from './client.ts'
import { allPages } from './pages.ts'

interface LastUses {
  readonly items: readonly { readonly principal: string; readonly at: string }[]
}

/** When each principal was last seen; whoever has not been seen is not in it. */
export async function lastUses(client: AdminClient): Promise<ReadonlyMap<string, string>> {
  const { items } = await allPages<'items', LastUses>(client, 'audit/last-uses', 'items')
  return new Map(items.map(({ principal, at }) => [principal, at]))
}
