import { Refused } from './api.ts'
import { Dialog, Trouble } from './parts.tsx'
import { type Kind, read, type Resource, type Spec } from './resources.ts'

/** What another made of it meanwhile, and the two ways on. */
export function Conflict(props: {
  readonly kind: Kind
  readonly failure: unknown
  readonly draft: { readonly id: string; readonly spec: Spec }
  readonly onFailed: (error: unknown) => void
  readonly onTake: (next: Resource, spec: Spec) => void
}) {
  const { kind, failure, draft, onFailed, onTake } = props
  if (!(failure instanceof Refused)) return null
  if (failure.status !== 412) return <Trouble error={failure} />
  const again = async (mine: boolean) => {
    const current = await read(kind, draft.id)
    onTake(current, mine ? draft.spec : current.spec)
  }
  return (
    <div role="alert" className="trouble">
      <strong>Somebody changed it meanwhile.</strong>
      <p>Theirs stands now. Take it over, or keep yours and look at the difference again.</p>
      <pre tabIndex={0}>{JSON.stringify(failure.problem.current, null, 2)}</pre>
      <div className="row">
        <button onClick={() => void again(false).catch(onFailed)}>Take theirs</button>
        <button onClick={() => void again(true).catch(onFailed)}>Keep mine</button>
      </div>
    </div>
  )
}

export function Token({
  token,
  onClose,
}: {
  readonly token: string
  readonly onClose: () => void
}) {
  return (
    <Dialog title="The token" onClose={onClose}>
      <p>It is shown this once: only its hash is kept.</p>
      <pre tabIndex={0} className="token">
        {token}
      </pre>
      <div className="row">
        <button className="main" onClick={() => void navigator.clipboard.writeText(token)}>
          Copy
        </button>
        <button onClick={onClose}>I have kept it</button>
      </div>
    </Dialog>
  )
}
