import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams } from '@tanstack/react-router'
import { useState } from 'react'
import { useAsOf } from './as-of.tsx'
import { Confirm, type Plan } from './confirm.tsx'
import { Conflict, Token } from './editor-parts.tsx'
import { History } from './history.tsx'
import { Loaded, Mark, When } from './parts.tsx'
import { useStatuses } from './queries.ts'
import {
  dryRun,
  type Kind,
  read,
  type Resource,
  rotate,
  type Spec,
  write,
  type Write,
} from './resources.ts'
import { useMayWrite } from './session.tsx'
import { SpecForm } from './spec-form.tsx'

export function NewPage() {
  const { kind } = useParams({ strict: false }) as { kind: Kind }
  return (
    <>
      <h1>Add a {kind}</h1>
      <Editor {...{ kind, resource: null }} />
    </>
  )
}

export function ResourcePage() {
  const { kind, id } = useParams({ strict: false }) as { kind: Kind; id: string }
  const asOf = useAsOf()
  const one = useQuery({
    queryKey: ['one', kind, id, asOf],
    queryFn: () => read(kind, id, asOf ?? undefined),
  })
  return (
    <>
      <p>
        <Link to="/resources/$kind" params={{ kind }}>
          All of this kind
        </Link>
      </p>
      <h1>{id}</h1>
      {kind === 'backend' ? <Health id={id} /> : null}
      <Loaded query={one}>
        {(resource) => (
          <>
            <p className="note">
              Revision {resource.revision}, changed <When at={resource.updatedAt} />
            </p>
            <Editor key={`${id} ${asOf}`} {...{ kind, resource }} />
          </>
        )}
      </Loaded>
      <History {...{ kind, id }} />
    </>
  )
}

function Health({ id }: { readonly id: string }) {
  const { data } = useStatuses()
  const status = data?.items.find(({ backend }) => backend === id)
  if (!status) return null
  return (
    <p role="status">
      <Mark of={status.health} /> since <When at={status.since} />
      {status.latencyMs === null ? '' : `, ${status.latencyMs} ms`}
      {status.error === null ? '' : `: ${status.error}`}
    </p>
  )
}

/*
 * What was read is edited as it was read: later revisions do not move it under the hands of who
 * edits. Saving says which revision it was (If-Match); a conflict shows what the others made of
 * it, and either is taken.
 */
function Editor({ kind, resource }: { readonly kind: Kind; readonly resource: Resource | null }) {
  const mayWrite = useMayWrite() && useAsOf() === null
  const [base, setBase] = useState(resource)
  const [draft, setDraft] = useState<{ id: string; spec: Spec }>(() => startOf(kind, resource))
  const [version, setVersion] = useState(0)
  const [plan, setPlan] = useState<Plan<Partial<Resource>> | null>(null)
  const [failure, setFailure] = useState<unknown>(null)
  const [token, setToken] = useState<string | null>(null)
  const navigate = useNavigate()
  const take = (next: Resource, spec: Spec) => {
    setBase(next)
    setDraft({ id: next.id, spec })
    setVersion((former) => former + 1)
    setFailure(null)
  }
  const planOf = (spec: Spec | null) =>
    planFor({ kind, id: draft.id, spec, revision: base?.revision ?? null, reason: '' }, setFailure)
  const done = (written: Partial<Resource>) => {
    setPlan(null)
    if (written.token) setToken(written.token)
    else if (plan?.verb === 'Save' && base)
      take({ ...base, ...written }, written.spec ?? draft.spec)
    else leave(written)
  }
  const leave = ({ id }: Partial<Resource>) =>
    void (id === undefined
      ? navigate({ to: '/resources/$kind', params: { kind } })
      : navigate({ to: '/resources/$kind/$id', params: { kind, id } }))
  return (
    <>
      <SpecForm
        key={version}
        {...{ kind, draft, isNew: !base, mayWrite, failure }}
        onChange={setDraft}
      />
      <Conflict {...{ kind, failure, draft }} onTake={take} onFailed={setFailure} />
      {mayWrite ? (
        <div className="row">
          <button className="main" onClick={() => setPlan(planOf(draft.spec))}>
            {base ? 'Save …' : 'Create …'}
          </button>
          {base ? <button onClick={() => setPlan(planOf(null))}>Delete …</button> : null}
          {base && (kind === 'key' || kind === 'principal') ? (
            <button
              onClick={() =>
                void rotate(kind, base.id).then((one) => setToken(one.token ?? null), setFailure)
              }
            >
              New token
            </button>
          ) : null}
        </div>
      ) : null}
      {plan ? (
        <Confirm plan={plan} onDone={done} onClose={() => setPlan(null)} onFailed={setFailure} />
      ) : null}
      {token === null ? null : <Token token={token} onClose={() => leave({ id: draft.id })} />}
    </>
  )
}

/** A refusal of the dry run is shown at the fields; lists are read anew by the revision's event. */
function planFor(one: Write, fail: (error: unknown) => void): Plan<Partial<Resource>> {
  const verb = one.spec === null ? 'Delete' : one.revision === null ? 'Create' : 'Save'
  const look = () => {
    fail(null)
    return dryRun(one).catch((error: unknown) => {
      fail(error)
      throw error
    })
  }
  const act = (reason: string) => write({ ...one, reason })
  return { title: `${verb} ${one.kind} ${one.id}`, verb, look, act }
}

function startOf(kind: Kind, resource: Resource | null): { id: string; spec: Spec } {
  if (resource) return { id: resource.id, spec: resource.spec }
  const first = kind === 'backend' ? { kind: 'vllm', url: '', models: 'discover' } : {}
  return { id: '', spec: first }
}
