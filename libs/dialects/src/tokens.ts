import { type Tokens } from '@signalbox/model'
import { type Usage } from './chat.ts'
import { isJson, type Json, parsedJson } from './fields.ts'

/**
 * The bytes of an answer that are kept to count its tokens by. Usage stands near the end of every
 * format, and where a stream of Anthropic's begins; what lies between is never looked at.
 */
export interface Seen {
  /** The first bytes of a stream, at most TOKENS_HEAD_BYTES. */
  readonly head: Uint8Array
  /** The last ones. */
  readonly tail: Uint8Array
  /** Whether it is a stream of server-sent events. */
  readonly events: boolean
}

/** Of a message_start, its ids and the model's name included. */
export const TOKENS_HEAD_BYTES = 2_048
/** Room for what servers write behind the usage: metadata, timings, the last events. */
export const TOKENS_TAIL_BYTES = 16_384
export const TOKENS_STREAM_TAIL_BYTES = 4_096
/** Of an object that holds the counts. */
const USAGE_CHARACTERS_MAX = 4_096
/** How often its name is looked at: a backend that repeats it must not cost time. */
const PLACES_MAX = 8
const SPACES_MAX = 16
const LINE_END = /[\r\n]+/
const MEMBER = /^\s*:\s*(?=\{)/
const KEY_BEGINS = /[{,\s]/
/** What closes behind it: the body, an object in it, or a list of bodies. */
const CLOSED = ['}', '}}', '}]']

const decoder = new TextDecoder('latin1')

/**
 * The last member of this name in the last bytes of an answer, as the object that it holds. A quote
 * inside of a JSON string has a backslash before it, so that text of a model is never taken for a
 * member; and only what closes as a member of the body, or of an object in it, counts, so that
 * neither is a tool's argument. `except` names an event that does not count.
 */
export function lastUsage({ tail, events }: Seen, name: string, except?: string): Json | undefined {
  if (!events) return usageIn(decoder.decode(tail), name)
  const lines = decoder.decode(tail.subarray(-TOKENS_STREAM_TAIL_BYTES)).split(LINE_END)
  const named = lines.filter((line) => line.includes(`"${name}"`)).slice(-PLACES_MAX)
  if (except !== undefined && named[0]?.includes(`"${except}"`)) named.shift()
  for (const line of named.reverse()) {
    const found = usageIn(line, name)
    if (found) return found
  }
  return undefined
}

/** The same in the first bytes of a stream, where the first event says it. */
export function firstUsage({ head }: Seen, name: string): Json | undefined {
  const line = decoder
    .decode(head)
    .split(LINE_END)
    .find((one) => one.includes(`"${name}"`))
  return line === undefined ? undefined : usageIn(line, name)
}

function usageIn(text: string, name: string): Json | undefined {
  const key = `"${name}"`
  let before = text.length
  for (let n = 0; n < PLACES_MAX && before > 0; n++) {
    const at = text.lastIndexOf(key, before - 1)
    if (at < 0) return undefined
    before = at
    const begin = MEMBER.exec(text.slice(at + key.length, at + key.length + SPACES_MAX))
    if (!begin || !KEY_BEGINS.test(text[at - 1] ?? ',')) continue
    const start = at + key.length + begin[0].length
    const end = objectEnd(text, start)
    if (end === undefined || !isOutermost(text, end)) continue
    const value = parsedJson(text.slice(start, end))
    if (value) return value
  }
  return undefined
}

/** Behind the bracket that closes the object which begins here. */
function objectEnd(text: string, start: number): number | undefined {
  const limit = Math.min(text.length, start + USAGE_CHARACTERS_MAX)
  let depth = 0
  let isQuoted = false
  for (let at = start; at < limit; at++) {
    const character = text[at]
    if (isQuoted) {
      if (character === '\\') at++
      else if (character === '"') isQuoted = false
    } else if (character === '"') isQuoted = true
    else if (character === '{' || character === '[') depth++
    else if ((character === '}' || character === ']') && --depth === 0) return at + 1
  }
  return undefined
}

/** Whether behind this place no more is closed than the body and an object in it. */
function isOutermost(text: string, from: number): boolean {
  let depth = 0
  let closed = ''
  let isQuoted = false
  for (let at = from; at < text.length; at++) {
    const character = text[at]
    if (isQuoted) {
      if (character === '\\') at++
      else if (character === '"') isQuoted = false
    } else if (character === '"') isQuoted = true
    else if (character === '{' || character === '[') depth++
    else if (character === '}' || character === ']') {
      if (depth > 0) depth--
      else closed += character
    }
    if (closed.length > 2) return false
  }
  return !isQuoted && depth === 0 && CLOSED.includes(closed)
}

/** A count as a backend wrote it; null where it is none. */
export function countOf(value: unknown, ...names: readonly string[]): number | null {
  if (!isJson(value)) return null
  for (const name of names) {
    const count = value[name]
    if (typeof count === 'number' && Number.isSafeInteger(count) && count >= 0) return count
  }
  return null
}

/** What a translation has read, in the words of the hub. */
export function tokensOf(usage: Usage): Tokens {
  return {
    prompt: usage.prompt_tokens,
    completion: usage.completion_tokens,
    cached: usage.prompt_tokens_details?.cached_tokens ?? null,
    reasoning: usage.completion_tokens_details?.reasoning_tokens ?? null,
  }
}

/** The sum of counts of which at least one is known. */
export function sumOf(...counts: readonly (number | null)[]): number | null {
  const known = counts.filter((one) => one !== null)
  return known.length === 0 ? null : known.reduce((sum, one) => sum + one, 0)
}
