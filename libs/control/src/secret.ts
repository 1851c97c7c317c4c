import {
  type Draft,
  type FieldProblem,
  secretOf,
  type Snapshot,
  type Spec,
  type SpecOf,
} from '@signalbox/model'
import { isObject } from './merge-patch.ts'

const MASKED: FieldProblem = {
  path: 'spec.fingerprint',
  message: 'is not that of the stored value; send value to set another',
}
const NEEDED: FieldProblem = { path: 'spec.value', message: 'expected: a new secret needs one' }

/**
 * The input of a secret with what people are not shown. Who puts one back says nothing of its
 * value, or the fingerprint that was shown; the same value sealed again is no change.
 */
export function keepSecret(
  input: unknown,
  stored: Spec | null,
): { readonly input: unknown } | { readonly problem: FieldProblem } {
  if (!isObject(input)) return { input }
  const kept = stored !== null && 'sealed' in stored ? stored : undefined
  const { sealed, fingerprint } = input
  const isNew = sealed !== undefined && sealed !== kept?.sealed && fingerprint !== kept?.fingerprint
  if (isNew) return { input }
  if (!kept) return { problem: NEEDED }
  if (fingerprint !== undefined && fingerprint !== kept.fingerprint) return { problem: MASKED }
  return { input: { ...input, sealed: kept.sealed, fingerprint: kept.fingerprint } }
}

/**
 * Why a change needs the role admin: it lets a secret go where nobody who knew its value has said
 * that it may. Undefined where it does not. (A new secret's value is known to who makes it.)
 */
export function widens(drafts: readonly Draft[], now: Snapshot): string | undefined {
  for (const draft of drafts) {
    const { id, spec } = draft
    if (spec === null) continue
    const stored = now.secrets.get(id)?.spec
    if (draft.resource === 'secret' && stored && widensOrigins(spec as SpecOf['secret'], stored)) {
      return `secret ${id} may go to more origins`
    }
    if (draft.resource !== 'backend') continue
    const backend = spec as SpecOf['backend']
    const secret = secretOf(backend)
    if (secret !== undefined && isLed(backend, now.backends.get(id)?.spec)) {
      if (isUnbound(secret, drafts, now))
        return `backend ${id} takes secret ${secret} to a new place`
    }
  }
  return undefined
}

function widensOrigins({ origins }: SpecOf['secret'], before: SpecOf['secret']): boolean {
  // None at all: who refers to it already may then send it anywhere.
  if (origins === undefined) return before.origins !== undefined
  return origins.some((origin) => !before.origins?.includes(origin))
}

/** Whether a backend sends its secret where it did not send the same one before. */
function isLed(spec: SpecOf['backend'], before: SpecOf['backend'] | undefined): boolean {
  if (!before || secretOf(before) !== secretOf(spec)) return true
  return new URL(before.url).origin !== new URL(spec.url).origin
}

/** Whether nobody has said where the secret may go, and its value is older than this change. */
function isUnbound(secret: string, drafts: readonly Draft[], now: Snapshot): boolean {
  const draft = drafts.find((one) => one.resource === 'secret' && one.id === secret)
  const stored = now.secrets.get(secret)?.spec
  const after = (draft?.spec as SpecOf['secret'] | null | undefined) ?? stored
  return stored !== undefined && after?.origins === undefined
}
