import { type Failure } from '@signalbox/model'
import { errorBody } from './errors.ts'

/** Room for the last event, its name, the members that a server may add, and blank lines. */
export const tailBytes = 256

/**
 * The stream's last line that is not blank is the data of a message_stop. Only a whole line counts:
 * a model may write the same as text, but not at the beginning of a line.
 */
const LAST_EVENT = /(?:^|[\r\n])data: ?\{"type": ?"message_stop"[^\r\n]*\}\s*$/

export function endsWell(tail: Uint8Array): boolean {
  return LAST_EVENT.test(new TextDecoder('latin1').decode(tail))
}

/** Begins with a blank line, so that half an event before it cannot swallow it. */
export function streamError(failure: Failure, requestId: string): string {
  return `\n\nevent: error\ndata: ${errorBody(failure, requestId)}\n\n`
}
