import { createHash, randomBytes } from 'node:crypto'
import { type Command } from '@signalbox/control'
import { refused } from './refused.ts'

const TOKEN_BYTES = 32
/** What a token is for, to be seen in it: by people, and by programs that look for leaked ones. */
const PREFIXES = { key: 'sbx', principal: 'sba' } as const
export type Identity = keyof typeof PREFIXES

export interface Issued {
  readonly resource: Identity
  readonly id: string
  readonly token: string
}

/** A token of 256 random bits, and what is kept of it. */
export function newToken(identity: Identity): { readonly token: string; readonly hash: string } {
  const token = `${PREFIXES[identity]}-${randomBytes(TOKEN_BYTES).toString('base64url')}`
  return { token, hash: hashOf(token) }
}

export function hashOf(token: string): string {
  return createHash('sha256').update(token, 'utf8').digest('hex')
}

export function isIdentity(resource: string): resource is Identity {
  return Object.hasOwn(PREFIXES, resource)
}

/**
 * A command that may create a key or a principal gets the hash of a new token. Which of them were
 * used is known once it is decided: what exists already keeps its own. `at` is where the command
 * stands in the body: empty, or `operations.2.`.
 */
export function withToken(
  command: Command,
  at: string,
): { readonly command: Command; readonly issued: Issued | null } {
  if (!isIdentity(command.resource) || command.op === 'delete') return { command, issued: null }
  const given = command.op === 'patch' ? command.patch : command.spec
  if (typeof given !== 'object' || given === null) return { command, issued: null }
  const { hash: own, previous } = given as { hash?: unknown; previous?: unknown }
  const former = typeof previous === 'object' && previous !== null && 'hash' in previous
  if (own !== undefined || former) {
    const path = `${at}spec.${own === undefined ? 'previous.hash' : 'hash'}`
    const problems = [{ path, message: 'is made by the control plane, not given' }]
    throw refused('validation_failed', 'the spec is not valid', problems)
  }
  if (command.op === 'patch') return { command, issued: null }
  const { token, hash } = newToken(command.resource)
  const issued = { resource: command.resource, id: String(command.id), token }
  return { command: { ...command, spec: { ...given, hash } }, issued }
}
