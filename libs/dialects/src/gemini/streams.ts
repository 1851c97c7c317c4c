import { type Failure } from '@signalbox/model'
import { isJson, jsonIn, listIn, parsedJson } from '../fields.ts'
import { SseReader } from '../sse.ts'
import { errorBody } from './errors.ts'
import { isBlocked, readFinish } from './response.ts'

/**
 * Google's streams have no terminal event: some event has the finishReason, and the last one may
 * hold the usage alone. Behind the reason stands what was found by a search, which may be tens of
 * kilobytes of HTML and of quotes.
 */
export const tailBytes = 65_536

const [LF, CR] = [10, 13]
/** A member, not a text: a quote inside of a JSON string has a backslash before it. */
const REASON = /(?<=[{,]\s*)"finishReason"\s*:\s*"[A-Z_]+"/g
const BLOCKED = /(?<=[{,]\s*)"blockReason"\s*:\s*"[A-Z_]+"/g

/**
 * Whether each candidate that is seen has its reason, as the reader of streams has it, and nothing
 * is broken off behind. Of a line that begins before the tail only the end is seen.
 */
export function endsWell(tail: Uint8Array): boolean {
  const begins = tail.length < tailBytes ? 0 : lineEnd(tail)
  const cut = new TextDecoder('latin1').decode(tail.subarray(0, begins))
  let over =
    closes(cut, { reason: REASON, by: '}]}' }) || closes(cut, { reason: BLOCKED, by: '}}' })
  const begun = new Set<unknown>()
  const ended = new Set<unknown>()
  const reader = new SseReader()
  for (const { data } of [...reader.read(tail.subarray(begins)), ...reader.end()]) {
    const body = parsedJson(data)
    if (!body || jsonIn(body, 'error')) return false
    const candidates = listIn(body, 'candidates').filter(isJson)
    if (candidates.length === 0 && isBlocked(body)) over = true
    for (const { index = 0, finishReason } of candidates) {
      begun.add(index)
      if (readFinish(finishReason, false)) ended.add(index)
    }
  }
  return (over || ended.size > 0) && ended.size === begun.size
}

function lineEnd(bytes: Uint8Array): number {
  const at = bytes.findIndex((byte) => byte === LF || byte === CR)
  return at < 0 ? bytes.length : at
}

/** Whether the end of a line has a reason, behind which the event is closed to its last bracket. */
function closes(line: string, { reason, by }: { reason: RegExp; by: string }): boolean {
  return [...line.matchAll(reason)].some(
    (found) => closersIn(line.slice(found.index + found[0].length)) === by,
  )
}

/** The brackets that close what was opened before this text; undefined inside of a string. */
function closersIn(text: string): string | undefined {
  const closers: string[] = []
  let depth = 0
  let isQuoted = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? ''
    if (isQuoted && character === '\\') at++
    else if (character === '"') isQuoted = !isQuoted
    else if (isQuoted) continue
    else if (character === '{' || character === '[') depth++
    else if (character === '}' || character === ']') {
      if (depth > 0) depth--
      else closers.push(character)
    }
  }
  return isQuoted || depth > 0 ? undefined : closers.join('')
}

export function streamError(failure: Failure, requestId: string): string {
  return `\n\ndata: ${errorBody(failure, requestId)}\n\n`
}
