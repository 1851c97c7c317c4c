import { type FieldProblem, fingerprintOf, type Spec } from '@signalbox/model'
import { isObject } from './merge-patch.ts'

const MASKED: FieldProblem = {
  path: 'spec.fingerprint',
  message: 'is not that of the stored token; a token is only ever made by the control plane',
}

/**
 * The input of a key or a principal with what the control plane wrote: who puts one back says
 * nothing of its hashes, or says the fingerprint that was shown. A hash in the input is that of a
 * token that was just made, for a resource that is new. A problem where it names another one.
 */
export function keepIdentity(
  input: unknown,
  stored: Spec | null,
): { readonly input: unknown } | { readonly problem: FieldProblem } {
  if (!isObject(input)) return { input }
  const { fingerprint, previous: shown, ...rest } = input
  const kept = stored !== null && 'hash' in stored ? stored : undefined
  if (fingerprint !== undefined && (!kept || fingerprint !== fingerprintOf(kept.hash))) {
    return { problem: MASKED }
  }
  if (!kept) return { input: shown === undefined ? rest : { ...rest, previous: shown } }
  // Left out or null: the former token is over now.
  const previous = kept.previous && shown ? { previous: kept.previous } : {}
  return { input: { ...rest, hash: kept.hash, ...previous } }
}
