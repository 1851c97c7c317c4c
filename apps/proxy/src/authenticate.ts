import { createHash } from 'node:crypto'
import { type IncomingHttpHeaders } from 'node:http'
import { err, type Failure, ok, type Result } from '@signalbox/model'
import { type CompiledKey, findKey, type Table } from '@signalbox/routing'
import { downstream } from './failures.ts'

/** What keys of ours begin with: anything else is another's credential, and not looked at. */
const PREFIX = 'sbx-'
const SHAPE = /^sbx-[A-Za-z0-9_-]{32,128}$/
const MS_PER_S = 1_000

/**
 * Whose request it is: the key that it shows (as OpenAI's, Anthropic's and Gemini's clients do), or
 * nobody's where the fleet is permissive. A key that is shown and not good is refused in any mode.
 */
export function authenticate(
  headers: IncomingHttpHeaders,
  { keys, blocking }: Table,
  nowMs: number,
): Result<CompiledKey | null, Failure> {
  const token = tokenIn(headers)
  if (token === undefined) {
    return blocking ? err(downstream('missing_key', 'the request shows no key')) : ok(null)
  }
  const key = SHAPE.test(token) ? findKey(keys, hashOf(token), nowMs / MS_PER_S) : undefined
  if (key) return ok(key)
  return err(downstream('invalid_key', 'the key is not known, disabled, or expired'))
}

function tokenIn(headers: IncomingHttpHeaders): string | undefined {
  const { authorization = '' } = headers
  const bearer = /^Bearer +(\S+)$/i.exec(authorization)?.[1]
  const shown = [bearer, headers['x-api-key'], headers['x-goog-api-key']]
  return shown.find((one): one is string => typeof one === 'string' && one.startsWith(PREFIX))
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
