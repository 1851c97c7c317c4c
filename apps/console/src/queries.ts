import { useQuery } from '@tanstack/react-query'
import { answered, api } from './api.ts'

/** The fleet; heartbeats arrive as events, and are merged into it (live.tsx). */
export function useFleet() {
  return useQuery({ queryKey: ['fleet'], queryFn: () => answered(api.GET('/admin/v1/fleet')) })
}

export function useStatuses() {
  return useQuery({ queryKey: ['status'], queryFn: () => answered(api.GET('/admin/v1/status')) })
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
