import { useState } from 'react'
import { Refused } from './api.ts'
import { Field } from './parts.tsx'
import { type Kind, type Spec } from './resources.ts'

interface Draft {
  readonly id: string
  readonly spec: Spec
}

export interface SpecFormProps {
  readonly kind: Kind
  readonly draft: Draft
  readonly isNew: boolean
  readonly mayWrite: boolean
  readonly failure: unknown
  readonly onChange: (draft: Draft) => void
}

/** Members of a backend that have a field of their own; the others are JSON below them. */
const FIELDS: readonly { readonly name: string; readonly label: string; readonly number?: true }[] =
  [
    { name: 'kind', label: 'Kind' },
    { name: 'url', label: 'URL' },
    { name: 'weight', label: 'Weight', number: true },
  ]

/** What the API says of a member stands at its field. */
export function SpecForm({ kind, draft, isNew, mayWrite, failure, onChange }: SpecFormProps) {
  const errors = failure instanceof Refused ? (failure.problem.errors ?? []) : []
  const wrong = (name: string) =>
    errors.find(({ path = '' }) => path === name || path.startsWith(`${name}.`))?.message
  const fields = kind === 'backend' ? FIELDS : []
  const set = (name: string, value: unknown) =>
    onChange({ ...draft, spec: without({ ...draft.spec, [name]: value }) })
  const own = fields.map(({ name }) => name)
  const others = errors.filter(
    ({ path = '' }) => path !== 'id' && !own.some((name) => path.startsWith(`spec.${name}`)),
  )
  return (
    <form onSubmit={(event) => event.preventDefault()}>
      {isNew ? (
        <Field label="Id" error={wrong('id')}>
          {(id, note) => (
            <input
              {...{ id, value: draft.id, disabled: !mayWrite }}
              aria-describedby={note}
              onChange={({ target }) => onChange({ ...draft, id: target.value })}
            />
          )}
        </Field>
      ) : null}
      {fields.map(({ name, label, number }) => (
        <Field key={name} label={label} error={wrong(`spec.${name}`)}>
          {(id, note) => (
            <input
              {...{ id, value: String(draft.spec[name] ?? ''), disabled: !mayWrite }}
              aria-describedby={note}
              onChange={({ target }) => set(name, number ? numberOf(target.value) : target.value)}
            />
          )}
        </Field>
      ))}
      <JsonField
        label={own.length > 0 ? 'All other members (JSON)' : 'Spec (JSON)'}
        error={others.map(({ path, message }) => `${path}: ${message}`).join('; ') || undefined}
        value={Object.fromEntries(
          Object.entries(draft.spec).filter(([name]) => !own.includes(name)),
        )}
        mayWrite={mayWrite}
        onChange={(rest) => {
          const mine = Object.entries(draft.spec).filter(([name]) => own.includes(name))
          onChange({ ...draft, spec: { ...Object.fromEntries(mine), ...rest } })
        }}
      />
    </form>
  )
}

function JsonField(props: {
  readonly label: string
  readonly error: string | undefined
  readonly value: Spec
  readonly mayWrite: boolean
  readonly onChange: (value: Spec) => void
}) {
  const [text, setText] = useState(() => JSON.stringify(props.value, null, 2))
  const [broken, setBroken] = useState<string>()
  const change = (next: string) => {
    setText(next)
    const parsed = parse(next)
    setBroken(parsed ? undefined : 'Not a JSON object yet: what was there before is kept.')
    if (parsed) props.onChange(parsed)
  }
  return (
    <Field label={props.label} error={broken ?? props.error}>
      {(id, note) => (
        <textarea
          {...{ id, value: text, rows: 14, spellCheck: false, disabled: !props.mayWrite }}
          aria-describedby={note}
          onChange={({ target }) => change(target.value)}
        />
      )}
    </Field>
  )
}

function parse(text: string): Spec | undefined {
  try {
    const value: unknown = JSON.parse(text)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? (value as Spec) : undefined
  } catch {
    return undefined
  }
}

/** What is not a number goes to the API as it is, which says so. */
function numberOf(text: string): unknown {
  if (text.trim() === '') return undefined
  return Number.isNaN(Number(text)) ? text : Number(text)
}

function without(spec: Spec): Spec {
  return Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== undefined))
}
