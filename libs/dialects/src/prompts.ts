import { type Prompt } from '@signalbox/model'
import { isJson } from './fields.ts'

const BETWEEN = '\n\n'

/**
 * A system prompt as dialects have it, a text or a list of parts, with the operator's before it,
 * behind it or in its place. `part` is how the dialect writes a text as a part.
 */
export function joined(
  own: unknown,
  { text, mode }: Prompt,
  part: (text: string) => object,
): unknown {
  const parts = Array.isArray(own) ? own.filter(isJson) : undefined
  if (mode === 'replace' || own === undefined || own === null || own === '') {
    return parts ? [part(text)] : text
  }
  if (parts) return mode === 'prepend' ? [part(text), ...parts] : [...parts, part(text)]
  if (typeof own !== 'string') return own
  return mode === 'prepend' ? text + BETWEEN + own : own + BETWEEN + text
}
