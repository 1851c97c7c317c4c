/** Watches a stream for the event that ends it, where its format has no [DONE]. */
export interface StreamEnd {
  add(chunk: Uint8Array): void
  readonly isWhole: boolean
}

const LF = 0x0a
/** Of what was seen, enough for a marker that is cut. */
const CARRIED_BYTES = 128

/**
 * A stream is whole when one of these events has come with all of its lines. Its name stands at the
 * beginning of a line, in `event:` or in the `data:` of servers that write no other: text of a
 * model holds no raw line break, and is not taken for it. Such an event may be longer than any tail
 * that is kept, since it may hold the whole answer.
 */
export function streamEnd(types: readonly string[]): StreamEnd {
  const names = types.map((type) => type.replaceAll('.', '\\.')).join('|')
  const marker = new RegExp(
    `(?:^|[\\r\\n])(?:event: ?(?:${names})[\\r\\n]|data: ?\\{"type": ?"(?:${names})")`,
  )
  let carried: Buffer = Buffer.from('\n')
  let seen = false
  let blank = false
  return {
    add: (chunk) => {
      const bytes = Buffer.concat([carried, chunk])
      if (!seen && types.some((type) => bytes.includes(type))) {
        seen = marker.test(bytes.toString('latin1'))
      }
      const { length } = bytes
      blank = bytes[length - 1] === LF && /\n\r?\n$/.test(bytes.toString('latin1', length - 3))
      carried = bytes.subarray(-CARRIED_BYTES)
    },
    get isWhole() {
      return seen && blank
    },
  }
}
