import { useQuery } from '@tanstack/react-query'
import { answered, api, type Fleet, type Statuses } from './api.ts'

const PAGE = 1_000

/** The fleet; heartbeats arrive as events, and are merged into it (live.tsx). */
export function useFleet() {
  return useQuery({ queryKey: ['fleet'], queryFn: wholeFleet })
}

export function useStatuses() {
  return useQuery({ queryKey: ['status'], queryFn: allStatuses })
}

export function useRevisions(query: { readonly resource?: string; readonly id?: string }) {
  return useQuery({
    queryKey: ['revisions', query],
    queryFn: () =>
      answered(
        api.GET('/admin/v1/revisions', { params: { query: { limit: 100, ...(query as object) } } }),
      ),
  })
}

/** The last page's answer, with the members of all pages. */
async function wholeFleet(): Promise<Fleet> {
  const members: Fleet['members'] = []
  let cursor: string | null = null
  for (;;) {
    const query = { limit: PAGE, ...(cursor === null ? {} : { cursor }) }
    const page: Fleet = await answered(api.GET('/admin/v1/fleet', { params: { query } }))
    members.push(...page.members)
    cursor = page.nextCursor
    if (cursor === null) return { ...page, members }
  }
}

async function allStatuses(): Promise<Statuses> {
  const items: Statuses['items'] = []
  let cursor: string | null = null
  for (;;) {
    const query = { limit: PAGE, ...(cursor === null ? {} : { cursor }) }
    const page: Statuses = await answered(api.GET('/admin/v1/status', { params: { query } }))
    items.push(...page.items)
    cursor = page.nextCursor
    if (cursor === null) return { ...page, items }
  }
}
