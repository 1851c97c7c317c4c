import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { answered, api } from './api.ts'
import { Loaded, When } from './parts.tsx'

const GROUPS = ['key', 'route', 'backend', 'model'] as const
type Group = (typeof GROUPS)[number]
interface Row {
  readonly name: string
  readonly requests: number
  readonly errors: number
  readonly prompt: number
  readonly completion: number
  readonly p95Ms: number
}

/** What was asked for in the last day, and by whom. */
export function UsagePage() {
  const [group, setGroup] = useState<Group>('route')
  const usage = useQuery({
    queryKey: ['usage', group],
    queryFn: () =>
      answered(api.GET('/admin/v1/usage', { params: { query: { groupBy: group, limit: 1_000 } } })),
  })
  return (
    <>
      <h1>Usage</h1>
      <label>
        By{' '}
        <select value={group} onChange={({ target }) => setGroup(target.value as Group)}>
          {GROUPS.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
      </label>
      <Loaded query={usage}>
        {({ items = [] }) => {
          const rows = items.map((item): Row => ({
            name: item[group] ?? 'none',
            requests: item.requests ?? 0,
            errors: item.errors ?? 0,
            prompt: item.tokens?.prompt ?? 0,
            completion: item.tokens?.completion ?? 0,
            p95Ms: Math.round(item.p95Ms ?? 0),
          }))
          return rows.length === 0 ? (
            <p className="note">Nothing was asked for in the last day.</p>
          ) : (
            <Table {...{ group, rows }} />
          )
        }}
      </Loaded>
      <Requests />
    </>
  )
}

function Table({ group, rows }: { readonly group: Group; readonly rows: readonly Row[] }) {
  const most = Math.max(...rows.map(({ requests }) => requests), 1)
  return (
    <>
      <p>
        <a
          download={`usage-by-${group}.csv`}
          href={`data:text/csv,${encodeURIComponent(csvOf(rows))}`}
        >
          As CSV
        </a>
      </p>
      <div className="wide" tabIndex={0} role="region" aria-label="Usage">
        <table>
          <thead>
            <tr>
              {[group, 'requests', 'errors', 'prompt tokens', 'completion tokens', 'p95 ms'].map(
                (name) => (
                  <th key={name} scope="col">
                    {name}
                  </th>
                ),
              )}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ name, requests, ...numbers }) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>
                  <meter aria-label={`Requests of ${name}`} max={most} value={requests} />{' '}
                  {requests}
                </td>
                {Object.entries(numbers).map(([of, value]) => (
                  <td key={of}>{value.toLocaleString()}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  )
}

/** A cell that begins as a formula does is text to a spreadsheet, not a formula. */
function csvOf(rows: readonly Row[]): string {
  const cell = (value: string | number) =>
    typeof value === 'number'
      ? String(value)
      : `"${(/^[=+\-@]/.test(value) ? `'${value}` : value).replaceAll('"', '""')}"`
  const names = ['name', 'requests', 'errors', 'prompt', 'completion', 'p95Ms'] as const
  const lines = rows.map((row) => names.map((name) => cell(row[name])).join(','))
  return [names.join(','), ...lines, ''].join('\r\n')
}

function Requests() {
  const requests = useQuery({
    queryKey: ['requests'],
    queryFn: () => answered(api.GET('/admin/v1/requests', { params: { query: { limit: 50 } } })),
  })
  return (
    <section>
      <h2>Last requests</h2>
      <Loaded query={requests}>
        {({ items = [] }) =>
          items.length === 0 ? (
            <p className="note">None was recorded.</p>
          ) : (
            <ul className="plain">
              {items.map((one) => (
                <li key={one.id}>
                  <strong>{one.status}</strong> {one.model} at {one.backend ?? 'no backend'},{' '}
                  {one.durationMs} ms, <code>{one.requestId}</code>{' '}
                  <span className="note">
                    <When at={one.at} />
                  </span>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </section>
  )
}
