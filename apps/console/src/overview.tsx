import { Link } from '@tanstack/react-router'
import { Spreading } from './confirm.tsx'
import { type Member } from './api.ts'
import { Loaded, Mark, When } from './parts.tsx'
import { useFleet, useRevisions, useStatuses } from './queries.ts'

export function Overview() {
  const fleet = useFleet()
  const statuses = useStatuses()
  const revisions = useRevisions({})
  return (
    <>
      <h1>Overview</h1>
      <Loaded query={fleet}>
        {({ head, live, members }) => (
          <dl className="facts">
            <Fact name="Head revision" value={head.revision} />
            <Fact name="Live proxies" value={live} />
            <Fact name="Requests under way" value={sum(members, 'inFlight')} />
            <Fact name="Requests served" value={sum(members, 'requestsTotal')} />
          </dl>
        )}
      </Loaded>
      <Spreading />
      <h2>Backends</h2>
      <Loaded query={statuses}>
        {({ items }) =>
          items.length === 0 ? (
            <p className="note">
              There is no backend yet.{' '}
              <Link to="/resources/$kind" params={{ kind: 'backend' }}>
                Add one.
              </Link>
            </p>
          ) : (
            <ul className="marks">
              {counted(items.map(({ health }) => health)).map(([health, count]) => (
                <li key={health}>
                  <Mark of={health} /> {count}
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
      <h2>Last changes</h2>
      <Loaded query={revisions}>
        {({ items = [] }) => (
          <ul className="plain">
            {items.slice(0, 8).map((one) => (
              <li key={one.revision}>
                <strong>{one.revision}</strong> {one.actor}: {one.reason ?? 'no reason given'}{' '}
                <span className="note">
                  <When at={one.at} />
                </span>
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </>
  )
}

function Fact({ name, value }: { readonly name: string; readonly value: number }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value.toLocaleString()}</dd>
    </div>
  )
}

function sum(members: readonly Member[], of: 'inFlight' | 'requestsTotal'): number {
  return members
    .filter(({ live }) => live)
    .reduce((total, { load }) => total + (load?.[of] ?? 0), 0)
}

function counted(words: readonly string[]): [string, number][] {
  const counts = new Map<string, number>()
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
  return [...counts].sort()
}
