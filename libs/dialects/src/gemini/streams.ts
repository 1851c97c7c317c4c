import { type Failure } from '@signalbox/model'
import { errorBody } from './errors.ts'

/**
 * Google's streams have no terminal event: the last chunk has a finishReason, and it may be of any
 * size. What is looked at is its end, which holds the reason, the usage and the ids.
 */
export const tailBytes = 4_096

const LINE = /(?:^|[\r\n])data: ?(?=[^\r\n]*$)/
/** A member, not a text: quotes inside of a JSON string are escaped. */
const REASON = /(?<!\\)"finishReason": ?"[A-Z_]+"/
const BLOCKED = /(?<!\\)"blockReason": ?"[A-Z_]+"/

/** Whether the last line that is not blank is an event that is whole and says why it ends. */
export function endsWell(tail: Uint8Array): boolean {
  const text = new TextDecoder('latin1').decode(tail).trimEnd()
  const lastLine = text.slice(Math.max(text.lastIndexOf('\n'), text.lastIndexOf('\r')) + 1)
  if (!lastLine.endsWith('}')) return false
  // Of a line that begins before the tail only the end is seen.
  if (lastLine.length < text.length || text.length < tailBytes) {
    if (!LINE.test(`\n${lastLine}`) || !isJson(lastLine.replace(/^data: ?/, ''))) return false
  }
  return REASON.test(lastLine) || BLOCKED.test(lastLine)
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

export function streamError(failure: Failure, requestId: string): string {
  return `\n\ndata: ${errorBody(failure, requestId)}\n\n`
}
