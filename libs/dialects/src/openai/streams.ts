import { type Failure } from '@signalbox/model'
import { errorBody } from './errors.ts'

const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20
const FIELD = bytesOf('data:')
const MARKER = bytesOf('[DONE]')

/** Room for the marker's line and the blank lines that servers write after it. */
export const tailBytes = 64

function bytesOf(text: string): readonly number[] {
  return [...text].map((character) => character.charCodeAt(0))
}

/**
 * Whether the stream's last line that is not blank is `data: [DONE]` (the space is optional).
 *
 * The line's beginning must be seen: text of a model may hold the marker too, and a stream that is
 * cut right behind such text has not ended well. A JSON string holds no raw line break, so that the
 * marker at the beginning of a line is never text of a model.
 */
export function endsWell(tail: Uint8Array): boolean {
  let end = tail.length
  while (end > 0 && isBlank(tail[end - 1])) end -= 1
  if (!endsWith(tail, end, MARKER)) return false
  let start = end - MARKER.length
  if (tail[start - 1] === SPACE) start -= 1
  if (!endsWith(tail, start, FIELD)) return false
  start -= FIELD.length
  if (start === 0) return tail.length < tailBytes
  return tail[start - 1] === LF || tail[start - 1] === CR
}

function isBlank(byte: number | undefined): boolean {
  return byte === LF || byte === CR
}

function endsWith(tail: Uint8Array, end: number, wanted: readonly number[]): boolean {
  const start = end - wanted.length
  return start >= 0 && wanted.every((byte, index) => tail[start + index] === byte)
}

/**
 * The SSE event that tells a client of a broken stream. Begins with a blank line: the backend may
 * have broken off inside a line, and what it began must not swallow this event.
 */
export function streamError(failure: Failure, requestId: string): string {
  return `\n\nevent: error\ndata: ${errorBody(failure, requestId)}\n\n`
}
