import { type PolicySpec } from '@signalbox/model'
import { hashBytes, hashText } from '@signalbox/routing'
import { type Asked, type Passage } from './passage.ts'
import { promptPrefix } from './prompt-prefix.ts'

/** Clients that have sessions name them in this header. */
const SESSION_HEADER = 'x-session-id'

/** What places this request under the policy, hashed; undefined where it has no such thing. */
export function affinityOf(
  { strategy, hashOn }: PolicySpec,
  passage: Passage,
  asked: Pick<Asked, 'scan' | 'body'>,
): number | undefined {
  if (strategy === 'PrefixAware') return prefixHash(asked)
  if (strategy !== 'ConsistentHash') return undefined
  if (!hashOn) {
    return headerHash(passage, SESSION_HEADER) ?? userHash(asked) ?? keyHash(passage)
  }
  if (hashOn.header !== undefined) return headerHash(passage, hashOn.header)
  if (hashOn.key) return keyHash(passage)
  return hashOn.user ? userHash(asked) : prefixHash(asked)
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
  return names ? hashBytes(body, user) : undefined
}
const QUOTE = 0x22

function prefixHash({ scan, body }: Pick<Asked, 'scan' | 'body'>): number | undefined {
  const { system, prompt } = scan
  if (!prompt) return undefined
  const range = promptPrefix(body, prompt)
  // Some dialects have the system prompt in a member of its own: models read it first.
  return hashBytes(body, range, system && hashBytes(body, promptPrefix(body, system)))
}
