import { useState } from 'react'
import { type Member } from './api.ts'
import { Spreading } from './confirm.tsx'
import { Loaded, Mark, When } from './parts.tsx'
import { useFleet } from './queries.ts'

/** Every proxy and probe as a tile, grouped by a label of theirs. */
export function FleetPage() {
  const fleet = useFleet()
  const [label, setLabel] = useState('')
  return (
    <>
      <h1>Fleet</h1>
      <Loaded query={fleet}>
        {({ members, convergence }) => (
          <>
            <Spreading />
            {convergence.p99Ms === null ? null : (
              <p className="note">
                Revision {convergence.revision} reached half of them in {convergence.p50Ms} ms, 99
                of 100 in {convergence.p99Ms} ms.
              </p>
            )}
            <label>
              Group by{' '}
              <select value={label} onChange={({ target }) => setLabel(target.value)}>
                <option value="">role</option>
                {labelsOf(members).map((one) => (
                  <option key={one}>{one}</option>
                ))}
              </select>
            </label>
            {members.length === 0 ? <p className="note">No proxy has been heard of yet.</p> : null}
            {grouped(members, label).map(([name, some]) => (
              <section key={name}>
                <h2>{name}</h2>
                <ul className="tiles">
                  {some.map((member) => (
                    <Tile key={`${member.role} ${member.id}`} member={member} />
                  ))}
                </ul>
              </section>
            ))}
          </>
        )}
      </Loaded>
    </>
  )
}

function Tile({ member }: { readonly member: Member }) {
  const { id, role, version, state, live, lag, active, load, nacks, lastSeenAt } = member
  const shown = !live ? 'gone' : nacks.length > 0 ? 'refuses' : lag > 0 ? 'behind' : state
  return (
    <li className="tile" data-of={shown}>
      <strong>{id}</strong> <Mark of={shown} />
      <p>
        {role} {version}, revision {active}
        {lag > 0 ? `, ${lag} behind` : ''}
      </p>
      {load ? (
        <p>
          {load.inFlight} under way, {Math.round(load.rssBytes / 1_048_576)} MB
        </p>
      ) : null}
      {live ? null : (
        <p className="note">
          last seen <When at={lastSeenAt} />
        </p>
      )}
      {nacks.map((nack) => (
        <p key={nack.revision} className="wrong">
          refused {nack.revision}: {nack.resource} {nack.id}: {nack.message}
        </p>
      ))}
    </li>
  )
}

function labelsOf(members: readonly Member[]): string[] {
  return [...new Set(members.flatMap(({ labels }) => Object.keys(labels)))].sort()
}

function grouped(members: readonly Member[], label: string): [string, Member[]][] {
  const groups = new Map<string, Member[]>()
  for (const member of members) {
    const name = label === '' ? member.role : (member.labels[label] ?? `no ${label}`)
    const group = groups.get(name) ?? []
    groups.set(name, group)
    group.push(member)
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1))
}
