import { useState } from 'react'
import { answered, api, type Revision } from './api.ts'
import { useSetAsOf } from './as-of.tsx'
import { Confirm } from './confirm.tsx'
import { Changes, Loaded, When } from './parts.tsx'
import { useRevisions } from './queries.ts'
import { type Kind } from './resources.ts'
import { useMayWrite } from './session.tsx'

export interface Of {
  readonly kind: Kind
  readonly id: string
}

/** The changes of one resource, or of all; each can be gone back to. */
export function History(of: Partial<Of>) {
  const { kind, id } = of
  const one = kind && id !== undefined ? { kind, id } : null
  const revisions = useRevisions(one ? { resource: one.kind, id: one.id } : {})
  const [back, setBack] = useState<number | null>(null)
  return (
    <section>
      <h2>History</h2>
      <Loaded query={revisions}>
        {({ items = [] }) => (
          <ul className="plain">
            {items.map((each) => (
              <Entry key={each.revision} revision={each} onBack={setBack} />
            ))}
          </ul>
        )}
      </Loaded>
      {back === null ? null : <Rollback {...{ back, one }} onClose={() => setBack(null)} />}
    </section>
  )
}

function Entry(props: {
  readonly revision: Revision
  readonly onBack: (revision: number) => void
}) {
  const { revision: number = 0, at, actor, source, reason, changes = [], hash } = props.revision
  const mayWrite = useMayWrite()
  const setAsOf = useSetAsOf()
  return (
    <li>
      <details>
        <summary>
          <strong>{number}</strong> {actor} by {source}: {reason ?? 'no reason given'}{' '}
          <span className="note">
            <When at={at} />
          </span>
        </summary>
        <Changes changes={changes} />
        <p className="note">Hash {hash}</p>
        <div className="row">
          <button onClick={() => setAsOf(String(number))}>Look as of {number}</button>
          {mayWrite ? (
            <button onClick={() => props.onBack(number)}>Roll back to {number} …</button>
          ) : null}
        </div>
      </details>
    </li>
  )
}

function Rollback(props: {
  readonly back: number
  readonly one: Of | null
  readonly onClose: () => void
}) {
  const { back, one, onClose } = props
  const resources = one ? { resources: [{ resource: one.kind, id: one.id }] } : {}
  const send = (reason: string, query: { dryRun?: true; wait?: string }) =>
    answered(
      api.POST('/admin/v1/rollback', {
        params: { query },
        body: { toRevision: back, ...(reason ? { reason } : {}), ...resources },
      }),
    )
  return (
    <Confirm
      plan={{
        title: `Roll ${one ? one.id : 'all'} back to revision ${back}`,
        verb: 'Roll back',
        look: async () => (await send('', { dryRun: true })).changes ?? [],
        act: (reason) => send(reason, { wait: '5s' }),
      }}
      onDone={onClose}
      onClose={onClose}
    />
  )
}
