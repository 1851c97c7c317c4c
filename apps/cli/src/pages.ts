import { type AdminClient } from './client.ts'

const PAGE = 1_000

type Listing<Name extends string> = Readonly<Record<Name, readonly unknown[]>> & {
  readonly nextCursor?: string | null
}

/** All pages of a list as one answer: the last one's, with everybody's items. */
export async function allPages<Name extends string, Answer extends Listing<Name>>(
  client: AdminClient,
  path: string,
  name: Name,
): Promise<Answer> {
  const all: unknown[] = []
  let cursor: string | undefined
  for (;;) {
    const page = await client.get<Answer>(path, { limit: PAGE, cursor })
    all.push(...page[name])
    const { nextCursor, ...answer } = page
    if (!nextCursor) return { ...answer, [name]: all } as unknown as Answer
    cursor = nextCursor
  }
}

export function allMembers<Answer extends Listing<'members'>>(client: AdminClient) {
  return allPages<'members', Answer>(client, 'fleet', 'members')
}

export function allStatuses<Answer extends Listing<'items'>>(client: AdminClient) {
  return allPages<'items', Answer>(client, 'status', 'items')
}
