import { useQueryClient, type QueryClient } from '@tanstack/react-query'
import { createContext, type ReactNode, useContext, useEffect, useState } from 'react'
import { type Fleet, type Member, type Status, type Statuses } from './api.ts'

/*
 * Live is a stream of events that is open. When it ends, what is shown is stale and says so, until
 * the stream is open again and everything was read anew: nothing in between can have been missed.
 * Many events at once (a change spreads over a hundred proxies) are drawn together.
 */
export type Connection = 'connecting' | 'live' | 'lost'
export interface Live {
  readonly connection: Connection
  /** When it was last live; null where it never was. */
  readonly asOfMs: number | null
}

const AGAIN_MS = 2_000
const DRAW_MS = 100
const LiveContext = createContext<Live>({ connection: 'connecting', asOfMs: null })

export function useLive(): Live {
  return useContext(LiveContext)
}

export function LiveProvider({ children }: { readonly children: ReactNode }) {
  const queries = useQueryClient()
  const [live, setLive] = useState<Live>({ connection: 'connecting', asOfMs: null })
  useEffect(() => listen(queries, setLive), [queries])
  return <LiveContext value={live}>{children}</LiveContext>
}

function listen(queries: QueryClient, say: (live: Live) => void): () => void {
  let source: EventSource | undefined
  let again: ReturnType<typeof setTimeout> | undefined
  let asOfMs: number | null = null
  const pending = collect(queries)
  const open = () => {
    source = new EventSource('/admin/v1/events')
    source.addEventListener('open', () => {
      asOfMs = Date.now()
      void queries.invalidateQueries()
      say({ connection: 'live', asOfMs })
    })
    source.addEventListener('error', () => {
      source?.close()
      say({ connection: 'lost', asOfMs: asOfMs && Date.now() })
      void queries.invalidateQueries({ queryKey: ['session'] })
      clearTimeout(again)
      again = setTimeout(open, AGAIN_MS)
    })
    source.addEventListener('revision', () => pending.revision())
    source.addEventListener('member', ({ data }) => pending.member(JSON.parse(data) as Member))
    source.addEventListener('status', ({ data }) => pending.status(JSON.parse(data) as Status))
  }
  open()
  return () => {
    source?.close()
    clearTimeout(again)
    pending.end()
  }
}

function collect(queries: QueryClient) {
  let grown = false
  let members = new Map<string, Member>()
  let statuses = new Map<string, Status>()
  let timer: ReturnType<typeof setTimeout> | undefined
  const draw = () => {
    timer = undefined
    if (grown) void queries.invalidateQueries({ predicate: ({ queryKey }) => ofLog(queryKey) })
    if (members.size > 0) void queries.invalidateQueries({ queryKey: ['fleet'] })
    mergeMembers(queries, members)
    mergeStatuses(queries, statuses)
    grown = false
    members = new Map()
    statuses = new Map()
  }
  const later = () => {
    timer ??= setTimeout(draw, DRAW_MS)
  }
  return {
    revision: () => {
      grown = true
      later()
    },
    member: (member: Member) => {
      members.set(member.id, member)
      later()
    },
    status: (status: Status) => {
      statuses.set(status.backend, status)
      later()
    },
    end: () => clearTimeout(timer),
  }
}

/** What a new revision can have changed. */
function ofLog([name]: readonly unknown[]): boolean {
  return name !== 'session' && name !== 'usage' && name !== 'requests'
}

function mergeMembers(queries: QueryClient, members: ReadonlyMap<string, Member>): void {
  if (members.size === 0) return
  queries.setQueryData<Fleet>(['fleet'], (fleet) => {
    if (!fleet) return fleet
    return { ...fleet, members: fleet.members.map((one) => members.get(one.id) ?? one) }
  })
}

function mergeStatuses(queries: QueryClient, statuses: ReadonlyMap<string, Status>): void {
  if (statuses.size === 0) return
  queries.setQueryData<Statuses>(['status'], (old) => {
    if (!old) return old
    const known = new Set(old.items.map(({ backend }) => backend))
    const more = [...statuses.values()].filter(({ backend }) => !known.has(backend))
    return {
      ...old,
      items: [...old.items.map((one) => statuses.get(one.backend) ?? one), ...more],
    }
  })
}
