import { type UseQueryResult } from '@tanstack/react-query'
import { type ReactNode, useEffect, useId, useRef } from 'react'
import { type Change, Refused } from './api.ts'

/** What was asked for, or that it is on its way, or why it did not come. */
export function Loaded<T>(props: {
  readonly query: UseQueryResult<T>
  readonly children: (data: T) => ReactNode
}) {
  const { data, error, isPending, refetch } = props.query
  if (data !== undefined) return <>{props.children(data)}</>
  if (isPending) return <p className="note">Loading …</p>
  return (
    <div>
      <Trouble error={error} />
      <button onClick={() => void refetch()}>Try again</button>
    </div>
  )
}

export function Trouble({ error }: { readonly error: unknown }) {
  if (!error) return null
  const problem = error instanceof Refused ? error.problem : {}
  return (
    <div role="alert" className="trouble">
      <strong>{error instanceof Error ? error.message : 'That did not work.'}</strong>
      {problem.remedy ? <p>{problem.remedy}</p> : null}
      {problem.errors?.map(({ path, message }) => (
        <p key={`${path} ${message}`}>
          <code>{path}</code> {message}
        </p>
      ))}
    </div>
  )
}

/** A dialog of the browser's own: it keeps the focus, and Escape closes it. */
export function Dialog(props: {
  readonly title: string
  readonly onClose: () => void
  readonly children: ReactNode
}) {
  const dialog = useRef<HTMLDialogElement>(null)
  const title = useId()
  useEffect(() => {
    const element = dialog.current
    element?.showModal()
    return () => element?.close()
  }, [])
  return (
    <dialog ref={dialog} aria-labelledby={title} onClose={props.onClose}>
      <h2 id={title}>{props.title}</h2>
      {props.children}
    </dialog>
  )
}

export function Field(props: {
  readonly label: string
  readonly children: (id: string, describedBy: string) => ReactNode
  readonly error?: string | undefined
  readonly hint?: string
}) {
  const id = useId()
  const note = `${id}-note`
  return (
    <div className="field">
      <label htmlFor={id}>{props.label}</label>
      {props.children(id, note)}
      <p id={note} className={props.error ? 'wrong' : 'note'}>
        {props.error ?? props.hint ?? ''}
      </p>
    </div>
  )
}

/** Healths and states have a word and a shape, not a colour alone. */
export function Mark({ of, text = of }: { readonly of: string; readonly text?: string }) {
  return (
    <span className="mark" data-of={of}>
      {text}
    </span>
  )
}

/** Before and after, member by member; an update shows only what differs. */
export function Changes({ changes }: { readonly changes: readonly Change[] }) {
  if (changes.length === 0) return <p className="note">Nothing changes.</p>
  return (
    <div className="changes">
      {changes.map((change) => (
        <section key={`${change.resource}/${change.id}`}>
          <h3>
            {change.resource} {change.id} <Mark of={change.op ?? ''} />
          </h3>
          <pre tabIndex={0}>
            {linesOf(change).map(({ sign, text }, index) => (
              <span key={index} data-sign={sign}>
                {`${sign} ${text}\n`}
              </span>
            ))}
          </pre>
        </section>
      ))}
    </div>
  )
}

function linesOf({ before, after }: Change): { sign: '+' | '-'; text: string }[] {
  const was = flat(before)
  const is = flat(after)
  return [...new Set([...was.keys(), ...is.keys()])].flatMap((path) => {
    const [old, now] = [was.get(path), is.get(path)]
    if (old === now) return []
    return [
      ...(old === undefined ? [] : [{ sign: '-' as const, text: `${path}: ${old}` }]),
      ...(now === undefined ? [] : [{ sign: '+' as const, text: `${path}: ${now}` }]),
    ]
  })
}

/** Leaves by their paths. */
function flat(value: unknown, at = ''): Map<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return new Map(value === undefined || at === '' ? [] : [[at, JSON.stringify(value)]])
  }
  return new Map(
    Object.entries(value).flatMap(([name, one]) => [...flat(one, at ? `${at}.${name}` : name)]),
  )
}

export function When({ at }: { readonly at: string | null | undefined }) {
  if (!at) return <>never</>
  return <time dateTime={at}>{new Date(at).toLocaleString()}</time>
}
