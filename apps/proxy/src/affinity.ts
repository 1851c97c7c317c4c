import { type PolicySpec } from '@signalbox/model'
import { affinityOf as placeOf, hashBytes, hashes, hashText, hashUser } from '@signalbox/routing'
import { type Range } from './body-scan.ts'
import { type Asked, type Passage } from './passage.ts'
import { promptPrefix } from './prompt-prefix.ts'

/** What places this request under the policy, hashed; undefined where it has no such thing. */
export function affinityOf(
  policy: PolicySpec,
  passage: Passage,
  asked: Pick<Asked, 'scan' | 'body'>,
): number | undefined {
  if (!hashes(policy)) return undefined
  return placeOf(policy, {
    header: (name) => headerHash(passage, name),
    key: () => keyHash(passage),
    user: () => userHash(asked),
    prefix: () => prefixHash(asked),
  })
}

function headerHash({ request }: Passage, name: string): number | undefined {
  const value = request.headers[name]
  const text = Array.isArray(value) ? value.join() : value
  return text ? hashText(text) : undefined
}

function keyHash({ key }: Passage): number | undefined {
  return key ? hashText(key.id) : undefined
}

function userHash({ scan: { user }, body }: Pick<Asked, 'scan' | 'body'>): number | undefined {
  // Only a string that says something: `""` and null name nobody.
  const names = user && body[user.start] === QUOTE && user.end - user.start > 2
  if (!names) return undefined
  return isEscaped(body, user) ? escapedHash(body, user) : hashBytes(body, user)
}
const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Byte by byte, as every request passes here: a view of the body would be an object. */
function isEscaped(body: Buffer, { start, end }: Range): boolean {
  for (let at = start; at < end; at++) if (body[at] === BACKSLASH) return true
  return false
}

/** However a client's library escapes it, it is the same user. What no parser takes is bytes. */
function escapedHash(body: Buffer, range: Range): number {
  try {
    return hashUser(JSON.parse(body.toString('utf8', range.start, range.end)) as string)
  } catch {
    return hashBytes(body, range)
  }
}

function prefixHash({ scan, body }: Pick<Asked, 'scan' | 'body'>): number | undefined {
  const { system, prompt } = scan
  if (!prompt) return undefined
  const range = promptPrefix(body, prompt)
  // Some dialects have the system prompt in a member of its own: models read it first.
  return hashBytes(body, range, system && hashBytes(body, promptPrefix(body, system)))
}
