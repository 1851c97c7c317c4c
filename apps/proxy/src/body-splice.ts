/** Bytes from `start` to before `end` that become `text`; where both are the same, it is put in. */
export interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

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
