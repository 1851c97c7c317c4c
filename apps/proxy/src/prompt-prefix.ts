import { type Range, skipSpace, skipString, skipValue } from './body-scan.ts'

/*
 * What a backend has in its KV cache is the beginning of a prompt. Requests that share it should
 * meet again: the turns of one conversation, which all begin with the same system prompt and first
 * question. So the prefix of a list of messages ends behind the first one of a user. It is the same
 * in every turn, and another one in the next conversation. Of a text it is the first bytes.
 */
export const PREFIX_BYTES_MAX = 8_192
const TEXT_BYTES_MAX = 1_024

const QUOTE = 0x22
const ARRAY = 0x5b
const OBJECT = 0x7b
const COMMA = 0x2c
const COLON = 0x3a
const ROLE = Buffer.from('"role"')
const USER = Buffer.from('"user"')

/** The range of the prefix of a value that scanBody() has found, so of valid JSON. */
export function promptPrefix(body: Buffer, { start, end }: Range): Range {
  if (body[start] === QUOTE) return { start, end: Math.min(end, start + TEXT_BYTES_MAX) }
  const most = Math.min(end, start + PREFIX_BYTES_MAX)
  if (body[start] !== ARRAY) return { start, end: most }
  let at = skipSpace(body, start + 1)
  while (at < most && (body[at] === OBJECT || body[at] === QUOTE)) {
    const behind = skipValue(body, at, 2)
    if (behind < 0) break
    if (body[at] === OBJECT && isOfUser(body, at)) return { start, end: Math.min(most, behind) }
    at = skipSpace(body, behind)
    if (body[at] === COMMA) at = skipSpace(body, at + 1)
  }
  return { start, end: most }
}

/** Whether an object has the member `"role": "user"`. */
function isOfUser(body: Buffer, begin: number): boolean {
  let at = skipSpace(body, begin + 1)
  while (body[at] === QUOTE) {
    const keyEnd = skipString(body, at + 1)
    const isRole = equals(body, { start: at, end: keyEnd }, ROLE)
    at = skipSpace(body, keyEnd)
    if (body[at] !== COLON) return false
    const value = skipSpace(body, at + 1)
    const end = skipValue(body, value, 2)
    if (end < 0) return false
    if (isRole) return equals(body, { start: value, end }, USER)
    at = skipSpace(body, end)
    if (body[at] === COMMA) at = skipSpace(body, at + 1)
  }
  return false
}

function equals(body: Buffer, { start, end }: Range, text: Buffer): boolean {
  return end - start === text.length && body.compare(text, 0, text.length, start, end) === 0
}
