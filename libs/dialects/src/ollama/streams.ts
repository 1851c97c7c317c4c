import { type Failure } from '@signalbox/model'
import { parsedJson } from '../fields.ts'
import { errorBody } from './errors.ts'

/** Room for the last line; behind `done` it may hold the whole conversation, as numbers. */
export const tailBytes = 16_384

/** Members that only the last line has, and that stand at the end of it. */
const ENDING = /(?:,\s*"\w+":\s*\d+)+\}$/
const LAST_MEMBERS = /"(?:total_duration|eval_count)":/

const decoder = new TextDecoder('latin1')

/** The last line of a stream that is not blank, and whether its beginning is there. */
export function lastLine(tail: Uint8Array): { readonly line: string; readonly isWhole: boolean } {
  const text = decoder.decode(tail).trimEnd()
  const at = text.lastIndexOf('\n')
  return { line: text.slice(at + 1), isWhole: at >= 0 || tail.length < tailBytes }
}

/**
 * The numbers at the end of a line or an answer whose beginning is not there. A quote inside of a
 * string has a backslash before it, and one bracket alone closes the line itself, so that neither a
 * text nor a call's argument is taken for them.
 */
export function lastNumbers(line: string): ReturnType<typeof parsedJson> {
  const found = ENDING.exec(line)?.[0]
  return found === undefined ? undefined : parsedJson(`{${found.slice(1)}`)
}

/** Whether the last line says `"done": true`. */
export function endsWell(tail: Uint8Array): boolean {
  const { line, isWhole } = lastLine(tail)
  if (isWhole) return parsedJson(line)?.['done'] === true
  return LAST_MEMBERS.test(ENDING.exec(line)?.[0] ?? '')
}

/** A line of its own. No empty one before it where none was begun: some clients read that, too. */
export function streamError(failure: Failure, requestId: string, atLineStart = false): string {
  return `${atLineStart ? '' : '\n'}${errorBody(failure, requestId)}\n`
}
