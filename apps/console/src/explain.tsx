import { useMutation } from '@tanstack/react-query'
import { type FormEvent } from 'react'
import { answered, api, type ExplainedRequest } from './api.ts'
import { useAsOf } from './as-of.tsx'
import { Field, Mark, Trouble } from './parts.tsx'

/** Why a request went where it went, or would go. */
export function ExplainPage() {
  const asOf = useAsOf()
  const explain = useMutation({
    mutationFn: (body: { model?: string; requestId?: string; down?: string[] }) =>
      answered(
        api.POST('/admin/v1/explain', { body: { ...body, ...(asOf ? { revision: asOf } : {}) } }),
      ),
  })
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    const text = (name: string) => String(form.get(name) ?? '').trim()
    const down = text('down')
      .split(/[\s,]+/)
      .filter(Boolean)
    explain.mutate({
      ...(text('requestId') ? { requestId: text('requestId') } : { model: text('model') }),
      ...(down.length > 0 ? { down } : {}),
    })
  }
  return (
    <>
      <h1>Explain</h1>
      <form onSubmit={submit}>
        <Field label="Model">
          {(id, note) => <input {...{ id, name: 'model' }} aria-describedby={note} />}
        </Field>
        <Field label="Or the id of a request" hint="The x-request-id of its answer.">
          {(id, note) => <input {...{ id, name: 'requestId' }} aria-describedby={note} />}
        </Field>
        <Field label="Take these backends as down" hint="Ids, with commas between them.">
          {(id, note) => <input {...{ id, name: 'down' }} aria-describedby={note} />}
        </Field>
        <button className="main" disabled={explain.isPending}>
          Explain
        </button>
      </form>
      <Trouble error={explain.error} />
      {explain.data && 'request' in explain.data ? (
        <Recorded recorded={explain.data} />
      ) : explain.data ? (
        <Decision decision={explain.data as Explained} />
      ) : null}
    </>
  )
}

interface Candidate {
  readonly tier?: number
  readonly route?: string
  readonly backend?: string
  readonly model?: string
  readonly share?: number
  readonly reason?: string
}
interface Explained {
  readonly outcome?: string
  readonly revision?: number
  readonly picked?: Candidate | null
  readonly fallback?: string | null
  readonly route?: {
    readonly id?: string
    readonly policy?: string
    readonly strategy?: string
  } | null
  readonly candidates?: readonly Candidate[]
}

/** What was done with a request: its attempts, each with those it was picked from. */
function Recorded({ recorded }: { readonly recorded: ExplainedRequest }) {
  const { request, attempts = [], revision, replayed, why } = recorded
  return (
    <section role="status">
      <h2>
        {request?.model} at {request?.backend ?? 'no backend'}, status {request?.status}
      </h2>
      <p>
        At revision {revision}; {replayed ? 'every pick was made again exactly' : why}
      </p>
      <ol className="tree">
        {attempts.map(({ backend, outcome, candidates = [] }, index) => (
          <li key={index}>
            {backend ?? 'no backend'}: {outcome}
            <Candidates candidates={candidates as readonly Candidate[]} />
          </li>
        ))}
      </ol>
    </section>
  )
}

/** Route, then tiers, then candidates: as the decision was made. */
function Decision({ decision }: { readonly decision: Explained }) {
  const { outcome, revision, picked, route, fallback, candidates = [] } = decision
  const tiers = [...new Set(candidates.map(({ tier }) => tier ?? 0))].sort((a, b) => a - b)
  return (
    <section role="status">
      <h2>
        {picked ? `Goes to ${picked.backend}` : `Goes nowhere: ${outcome?.replaceAll('_', ' ')}`}
      </h2>
      <p>
        {route ? `Route ${route.id}, policy ${route.policy}, ${route.strategy}` : 'No route'}, at
        revision {revision}
        {fallback ? `; falls back to ${fallback}` : ''}
      </p>
      <ul className="tree">
        {tiers.map((tier) => (
          <li key={tier}>
            Tier {tier}
            <Candidates candidates={candidates.filter((one) => (one.tier ?? 0) === tier)} />
          </li>
        ))}
      </ul>
    </section>
  )
}

function Candidates({ candidates }: { readonly candidates: readonly Candidate[] }) {
  return (
    <ul>
      {candidates.map(({ backend, model, reason = '', share }, index) => (
        <li key={index}>
          {backend} as {model} <Mark of={reason} text={reason.replaceAll('_', ' ')} />
          {share === undefined ? '' : ` ${Math.round(share * 100)} %`}
        </li>
      ))}
    </ul>
  )
}
