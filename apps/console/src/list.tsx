import { useInfiniteQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useDeferredValue, useEffect, useRef, useState } from 'react'
import { type Status } from './api.ts'
import { Confirm } from './confirm.tsx'
import { Mark, Trouble } from './parts.tsx'
import { useStatuses } from './queries.ts'
import { dryRun, type Kind, list, PLURALS, type Resource, write, type Write } from './resources.ts'
import { useMayWrite } from './session.tsx'
import { useAsOf } from './as-of.tsx'

const ROW_PX = 44
const ROWS_AHEAD = 20

/** Of one kind: as many as there are, a page at a time, and only those in sight are drawn. */
export function ListPage() {
  const { kind } = useParams({ strict: false }) as { kind: Kind }
  const [q, setQ] = useState('')
  const asked = useDeferredValue(q)
  const asOf = useAsOf()
  const mayWrite = useMayWrite() && asOf === null
  const found = useInfiniteQuery({
    queryKey: ['list', kind, asked, asOf],
    queryFn: ({ pageParam }) =>
      list(kind, {
        ...(asked ? { q: asked } : {}),
        ...(asOf ? { asOf } : {}),
        ...(pageParam ? { cursor: pageParam } : {}),
      }),
    initialPageParam: '',
    getNextPageParam: ({ nextCursor }) => nextCursor,
    placeholderData: (before) => before,
  })
  const rows = found.data?.pages.flatMap(({ items }) => items) ?? []
  return (
    <>
      <h1>{titleOf(kind)}</h1>
      <div className="row">
        <input
          {...{ type: 'search', value: q, placeholder: 'Part of the id' }}
          aria-label="Part of the id"
          onChange={({ target }) => setQ(target.value)}
        />
        {mayWrite ? (
          <Link className="button main" to="/resources/$kind/new" params={{ kind }}>
            Add a {kind}
          </Link>
        ) : null}
      </div>
      <Trouble error={found.error} />
      {found.isPending ? <p className="note">Loading …</p> : null}
      {found.data && rows.length === 0 ? (
        <p className="note">{asked ? 'None is named so.' : `There is no ${kind} yet.`}</p>
      ) : null}
      <Rows
        {...{ kind, rows, mayWrite }}
        more={() => {
          if (found.hasNextPage && !found.isFetching) void found.fetchNextPage()
        }}
      />
    </>
  )
}

export function titleOf(kind: Kind): string {
  const plural = PLURALS[kind]
  return plural.charAt(0).toUpperCase() + plural.slice(1)
}

function Rows(props: {
  readonly kind: Kind
  readonly rows: readonly Resource[]
  readonly mayWrite: boolean
  readonly more: () => void
}) {
  const { kind, rows, mayWrite, more } = props
  const scroll = useRef<HTMLDivElement>(null)
  const { data: statuses } = useStatuses()
  const byId = new Map(statuses?.items.map((one) => [one.backend, one]))
  const [writing, setWriting] = useState<Write | null>(null)
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => ROW_PX,
    overscan: ROWS_AHEAD,
  })
  const shown = virtual.getVirtualItems()
  const last = shown.at(-1)?.index ?? 0
  useEffect(() => {
    if (last >= rows.length - ROWS_AHEAD) more()
  })
  return (
    <div className="list" ref={scroll} tabIndex={0} role="region" aria-label={titleOf(kind)}>
      <ul style={{ height: virtual.getTotalSize() }}>
        {shown.map(({ index, start }) => {
          const resource = rows[index]
          if (!resource) return null
          return (
            <li key={resource.id} style={{ transform: `translateY(${start}px)` }}>
              <Link to="/resources/$kind/$id" params={{ kind, id: resource.id }}>
                {resource.id}
              </Link>
              <Said {...{ kind, resource, status: byId.get(resource.id) }} />
              {mayWrite && kind === 'backend' ? (
                <button onClick={() => setWriting(toggled(resource))}>
                  {resource.spec['enabled'] === false ? 'Enable' : 'Drain'}
                  <span className="hidden"> {resource.id}</span>
                </button>
              ) : null}
            </li>
          )
        })}
      </ul>
      {writing ? (
        <Confirm
          plan={{
            title: `${writing.spec?.['enabled'] === false ? 'Drain' : 'Enable'} ${writing.id}`,
            verb: writing.spec?.['enabled'] === false ? 'Drain' : 'Enable',
            look: () => dryRun(writing),
            act: (reason) => write({ ...writing, reason }),
          }}
          onDone={() => setWriting(null)}
          onClose={() => setWriting(null)}
        />
      ) : null}
    </div>
  )
}

function Said(props: {
  readonly kind: Kind
  readonly resource: Resource
  readonly status: Status | undefined
}) {
  const { kind, resource, status } = props
  const { spec } = resource
  if (kind !== 'backend') return <span className="note">revision {resource.revision}</span>
  return (
    <>
      <Mark of={spec['enabled'] === false ? 'drained' : (status?.health ?? 'unknown')} />
      <span className="note">
        {String(spec['kind'])} {String(spec['url'])}
        {typeof status?.latencyMs === 'number' ? `, ${status.latencyMs} ms` : ''}
      </span>
    </>
  )
}

function toggled({ id, revision, spec }: Resource): Write {
  const next = { ...spec, enabled: spec['enabled'] === false }
  return { kind: 'backend', id, revision, spec: next, reason: '' }
}
