import { useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { answered, api } from './api.ts'
import { History } from './history.tsx'
import { Changes, Loaded, Trouble } from './parts.tsx'
import { useFleet } from './queries.ts'

export function TimePage() {
  const { data: fleet } = useFleet()
  return (
    <>
      <h1>Time</h1>
      {fleet ? <Compare key={fleet.head.revision} head={fleet.head.revision} /> : null}
      <Verify />
      <History />
    </>
  )
}

function Compare({ head }: { readonly head: number }) {
  const [from, setFrom] = useState(Math.max(1, head - 1))
  const [to, setTo] = useState(head)
  const diff = useQuery({
    queryKey: ['diff', from, to],
    queryFn: () =>
      answered(
        api.GET('/admin/v1/diff', { params: { query: { from: String(from), to: String(to) } } }),
      ),
    enabled: head > 0,
  })
  if (head === 0) return <p className="note">Nothing was changed yet.</p>
  return (
    <section>
      <h2>Two revisions</h2>
      <div className="row">
        <Pick {...{ label: 'From', head, value: from, onPick: setFrom }} />
        <Pick {...{ label: 'To', head, value: to, onPick: setTo }} />
      </div>
      <Loaded query={diff}>{({ changes = [] }) => <Changes changes={changes} />}</Loaded>
    </section>
  )
}

function Pick(props: {
  readonly label: string
  readonly head: number
  readonly value: number
  readonly onPick: (revision: number) => void
}) {
  const { label, head, value, onPick } = props
  return (
    <label>
      {label} {value}
      <input
        {...{ type: 'range', min: 1, max: head, value }}
        onChange={({ target }) => onPick(Number(target.value))}
      />
    </label>
  )
}

function Verify() {
  const verify = useMutation({
    mutationFn: async () => {
      const [verified, checkpoint] = await Promise.all([
        answered(api.GET('/admin/v1/audit/verify')),
        answered(api.GET('/admin/v1/audit/checkpoint')),
      ])
      return { verified, checkpoint }
    },
  })
  return (
    <section>
      <h2>The chain</h2>
      <button disabled={verify.isPending} onClick={() => verify.mutate()}>
        Verify
      </button>
      <Trouble error={verify.error} />
      {verify.data ? (
        <div role="status">
          <p>
            {verify.data.verified.ok
              ? `The API finds every hash as it should be: head ${verify.data.verified.revision}.`
              : `The chain is broken: ${verify.data.verified.problems?.length} problems.`}
          </p>
          <pre tabIndex={0}>{verify.data.checkpoint.note}</pre>
        </div>
      ) : null}
    </section>
  )
}
