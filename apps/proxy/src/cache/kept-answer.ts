/** A whole answer, as its client got it; what a proxy adds to every answer is not in it. */
export interface KeptAnswer {
  readonly status: number
  /** Name, value, name, value ... */
  readonly headers: readonly string[]
  /** As they came, so that a stream is given again piece by piece. */
  readonly chunks: readonly Buffer[]
  /** Who answered. */
  readonly backend: string
  /** By the wall clock. */
  readonly endsAtMs: number
}

const VERSION = 1
const LENGTH_BYTES = 4
/** What an entry costs beside its bytes, at a guess. */
const OVERHEAD_BYTES = 512

/** What it takes in memory. */
export function sizeOf({ headers, chunks }: KeptAnswer): number {
  const text = headers.reduce((sum, one) => sum + one.length, 0)
  return chunks.reduce((sum, one) => sum + one.length, OVERHEAD_BYTES + text)
}

interface Head extends Omit<KeptAnswer, 'chunks'> {
  readonly v: number
  /** Length of each chunk. */
  readonly lengths: readonly number[]
}

/** As one piece of bytes: length of the head, head as JSON, chunks. */
export function encodeAnswer({ chunks, ...rest }: KeptAnswer): Buffer {
  const head: Head = { v: VERSION, ...rest, lengths: chunks.map(({ length }) => length) }
  const text = Buffer.from(JSON.stringify(head))
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32BE(text.length)
  return Buffer.concat([length, text, ...chunks])
}

/** Undefined for what is not one, or is of another version. */
export function decodeAnswer(bytes: Buffer): KeptAnswer | undefined {
  if (bytes.length < LENGTH_BYTES) return undefined
  let at = LENGTH_BYTES + bytes.readUInt32BE(0)
  if (at > bytes.length) return undefined
  const { v, lengths, ...rest } = JSON.parse(bytes.toString('utf8', LENGTH_BYTES, at)) as Head
  if (v !== VERSION) return undefined
  const chunks = lengths.map((length) => bytes.subarray(at, (at += length)))
  return at === bytes.length ? { ...rest, chunks } : undefined
}
