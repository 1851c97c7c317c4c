import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { type Change, type Convergence } from './api.ts'
import { Changes, Dialog, Field, Trouble } from './parts.tsx'
import { useFleet } from './queries.ts'

export interface Plan<T> {
  readonly title: string
  /** What would change; nothing is written. */
  readonly look: () => Promise<readonly Change[]>
  readonly act: (reason: string) => Promise<T>
  readonly verb: string
}

/** Every write is seen before it is done: what changes, why, and then how it spreads. */
export function Confirm<T extends { readonly convergence?: Convergence }>(props: {
  readonly plan: Plan<T>
  readonly onDone: (done: T) => void
  readonly onClose: () => void
  readonly onFailed?: (error: unknown) => void
}) {
  const { plan, onDone, onClose, onFailed } = props
  const [reason, setReason] = useState('')
  const seen = useQuery({
    queryKey: ['session', 'plan'],
    queryFn: plan.look,
    gcTime: 0,
    retry: false,
  })
  const act = useMutation({
    mutationFn: () => plan.act(reason),
    onError: (error) => onFailed?.(error),
  })
  if (act.isSuccess) {
    const done = act.data
    return (
      <Dialog title={plan.title} onClose={() => onDone(done)}>
        <p role="status">Saved. {said(done.convergence)}</p>
        <Spreading />
        <button className="main" onClick={() => onDone(done)}>
          Done
        </button>
      </Dialog>
    )
  }
  return (
    <Dialog title={plan.title} onClose={onClose}>
      {seen.data ? <Changes changes={seen.data} /> : null}
      {seen.isPending ? <p className="note">Looking at what changes …</p> : null}
      <Trouble error={seen.error ?? act.error} />
      <Field label="Reason" hint="Kept in the audit log.">
        {(id, note) => (
          <input
            {...{ id, value: reason, maxLength: 1_000 }}
            aria-describedby={note}
            onChange={({ target }) => setReason(target.value)}
          />
        )}
      </Field>
      {act.isPending ? <Spreading /> : null}
      <div className="row">
        <button
          className="main"
          disabled={!seen.data || act.isPending}
          onClick={() => act.mutate()}
        >
          {act.isPending ? 'Waiting for the fleet …' : plan.verb}
        </button>
        <button onClick={onClose}>Cancel</button>
      </div>
    </Dialog>
  )
}

function said(convergence: Convergence | undefined): string {
  if (!convergence) return ''
  const { acked = 0, pending = 0, nacked = 0 } = convergence
  return `${acked} applied it, ${pending} pending, ${nacked} refused.`
}

/** How many proxies run the head of the log, as their acks arrive. */
export function Spreading() {
  const { data: fleet } = useFleet()
  if (!fleet) return null
  return (
    <div className="spreading">
      <progress
        aria-label="Proxies at the head"
        max={Math.max(1, fleet.live)}
        value={fleet.applied}
      />
      <span>
        {fleet.applied} of {fleet.live} proxies run revision {fleet.head.revision}
      </span>
    </div>
  )
}
