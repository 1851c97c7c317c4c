import { type FieldProblem, sealedOf, type SealedCredential, type Spec } from '@signalbox/model'
import { isObject } from './merge-patch.ts'

const MASKED: FieldProblem = {
  path: 'spec.credential',
  message: 'the fingerprint is not the stored one; send apiKey to set another credential',
}

/**
 * Readers are shown a credential as its fingerprint alone. What they send back that way means "as
 * it is stored": a problem where another one (or none) is stored.
 */
export function maskedProblem(input: unknown, stored: Spec | null): FieldProblem | undefined {
  const credential = isObject(input) ? input['credential'] : undefined
  if (!isObject(credential) || !isMasked(credential)) return undefined
  return credential['fingerprint'] === storedCredential(stored)?.fingerprint ? undefined : MASKED
}

/**
 * The input with the stored credential where it names the stored fingerprint: shown back, or the
 * same secret sealed again (another nonce, other bytes), which is no change.
 */
export function keepCredential(input: unknown, stored: Spec | null): unknown {
  const kept = storedCredential(stored)
  if (!kept || !isObject(input)) return input
  const credential = input['credential']
  if (!isObject(credential) || credential['fingerprint'] !== kept.fingerprint) return input
  const keys = Object.keys(credential)
  const wellFormed = keys.every((key) => key === 'fingerprint' || key === 'sealed')
  return wellFormed ? { ...input, credential: kept } : input
}

const MOVED: FieldProblem = {
  path: 'spec.apiKey',
  message: 'expected again with another url: a stored credential stays with its address',
}

/**
 * A problem where the spec takes the stored credential to another origin. Who may change an address
 * need not know the secret, and could so have it sent to an address of their own.
 */
export function movedProblem(
  input: unknown,
  { spec, stored }: { readonly spec: Spec; readonly stored: Spec | null },
): FieldProblem | undefined {
  const kept = storedCredential(stored)
  if (!kept || !stored || !isObject(input) || !('credential' in spec)) return undefined
  const credential = input['credential']
  const sealed = isObject(credential) ? credential['sealed'] : undefined
  const sentAgain = sealed !== undefined && sealed !== kept.sealed
  if (sentAgain || storedCredential(spec)?.fingerprint !== kept.fingerprint) return undefined
  return originOf(spec) === originOf(stored) ? undefined : MOVED
}

function originOf(spec: Spec): string {
  return 'url' in spec ? new URL(spec.url).origin : ''
}

function isMasked(credential: Readonly<Record<string, unknown>>): boolean {
  const keys = Object.keys(credential)
  return keys.length === 1 && keys[0] === 'fingerprint'
}

function storedCredential(stored: Spec | null): SealedCredential | undefined {
  return stored !== null && 'credential' in stored ? sealedOf(stored) : undefined
}
