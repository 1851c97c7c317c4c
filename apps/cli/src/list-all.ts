import { type Page, type Resource } from './answers.ts'
import { type AdminClient } from './client.ts'
import { type Kind, KINDS } from './kinds.ts'

const PAGE = 1_000

/** All pages as one; they show the state of one revision. */
export async function listAll(
  client: AdminClient,
  kind: Kind,
  query: { readonly asOf?: string | undefined; readonly label?: string | undefined } = {},
): Promise<Omit<Page<Resource>, 'nextCursor'>> {
  const items: Resource[] = []
  let cursor: string | undefined
  for (;;) {
    const page = await client.get<Page<Resource>>(KINDS[kind], { ...query, limit: PAGE, cursor })
    items.push(...page.items)
    if (page.nextCursor === null) return { items, revision: page.revision }
    cursor = page.nextCursor
  }
}
