import { skipSpace } from './body-scan.ts'

/** Bytes from `start` to before `end` that become `text`; where both are the same, it is put in. */
export interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** Puts a member before all others of a body that is an object. */
export function memberFirst(body: Buffer, name: string, value: unknown): Edit {
  const at = skipSpace(body, 0) + 1
  const isAlone = body[skipSpace(body, at)] === OBJECT_END
  const member = `${JSON.stringify(name)}:${JSON.stringify(value)}`
  return { start: at, end: at, text: isAlone ? member : `${member},` }
}
const OBJECT_END = 0x7d

/**
 * The body with these edits, which do not overlap; every other byte stays as it is. Without any it
 * is the same body.
 */
export function edited(body: Buffer, edits: readonly Edit[]): Buffer {
  if (edits.length === 0) return body
  const parts: Buffer[] = []
  let from = 0
  for (const { start, end, text } of [...edits].sort((a, b) => a.start - b.start)) {
    parts.push(body.subarray(from, start), Buffer.from(text))
    from = end
  }
  parts.push(body.subarray(from))
  return Buffer.concat(parts)
}
