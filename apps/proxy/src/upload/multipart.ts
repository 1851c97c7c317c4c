/*
 * A body of multipart/form-data as it passes: part after part, never held whole (RFC 7578, 2046).
 *
 *     body -- delimiter --> head -- blank line --> value (of the part `model`) -- delimiter -> body
 *                            \-- "--" --> done     \-> body (of any other)
 *
 * What is held is a delimiter that may be cut, the head of a part, or the name of a model; each is
 * bounded. The name is checked by us and routed by, so that a body in which two parsers could find
 * two names is refused: one that has it twice, in other letters, or in an extended form.
 */

/** The head of one part. */
const HEAD_BYTES_MAX = 8_192
export const MODEL_BYTES_MAX = 4_096
const [CR, LF, DASH, SPACE, TAB] = [0x0d, 0x0a, 0x2d, 0x20, 0x09]
const BLANK_LINE = Buffer.from('\r\n\r\n')
const EMPTY = Buffer.alloc(0)
const DISPOSITION = /^content-disposition\s*:(.*)$/im
const NAME = /;\s*name\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/gi
const EXTENDED = /;\s*name\s*\*/i

export type Piece =
  | { readonly kind: 'bytes'; readonly bytes: Buffer }
  | { readonly kind: 'model'; readonly bytes: Buffer; readonly value: string }

/** Why a body cannot be passed on; safe for clients. */
export class BadMultipart extends Error {
  override readonly name = 'BadMultipart'
  readonly code: 'malformed_request' | 'duplicate_field'

  constructor(message: string, code: BadMultipart['code'] = 'malformed_request') {
    super(message)
    this.code = code
  }
}

/** The boundary that a content-type names; undefined where it is none of multipart/form-data. */
export function boundaryOf(contentType = ''): string | undefined {
  if (!/^multipart\/form-data\s*;/i.test(contentType)) return undefined
  const found = /;\s*boundary\s*=\s*(?:"([^"\\]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType)
  return found?.[1] ?? found?.[2]
}

/** Throws BadMultipart. */
export class MultipartScanner {
  readonly #delimiter: Buffer
  // As if a line break stood before the first delimiter, which needs none.
  #held: Buffer = Buffer.from('\r\n')
  #unreal = 2
  #state: 'body' | 'head' | 'value' | 'done' = 'body'
  #models = 0

  constructor(boundary: string) {
    this.#delimiter = Buffer.from(`\r\n--${boundary}`)
  }

  /** All bytes that came, in order, but for those that are held. */
  feed(chunk: Buffer): readonly Piece[] {
    const pieces: Piece[] = []
    let bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk
    this.#held = EMPTY
    for (;;) {
      const taken = this.#step(bytes, pieces)
      if (taken === undefined) break
      bytes = bytes.subarray(taken)
    }
    return pieces
  }

  /** What is still held. Throws where the last delimiter has not come. */
  end(): readonly Piece[] {
    if (this.#state !== 'done') throw new BadMultipart('the multipart body has no end')
    return []
  }

  /** Bytes that it took; undefined where it needs more of them. */
  #step(bytes: Buffer, pieces: Piece[]): number | undefined {
    if (this.#state === 'done') {
      this.#pass(bytes, pieces)
      return undefined
    }
    if (this.#state === 'head') return this.#head(bytes, pieces)
    const at = bytes.indexOf(this.#delimiter)
    if (this.#state === 'value') return this.#value(bytes, at, pieces)
    if (at < 0) {
      const sure = Math.max(0, bytes.length - this.#delimiter.length + 1)
      this.#pass(bytes.subarray(0, sure), pieces)
      this.#held = bytes.subarray(sure)
      return undefined
    }
    const end = at + this.#delimiter.length
    this.#pass(bytes.subarray(0, end), pieces)
    this.#state = 'head'
    return end
  }

  #head(bytes: Buffer, pieces: Piece[]): number | undefined {
    if (bytes.length < 2) return this.#hold(bytes)
    const [first, second] = bytes
    if (first === DASH && second === DASH) {
      this.#state = 'done'
      return 0
    }
    if (!(first === CR && second === LF) && first !== SPACE && first !== TAB) {
      throw new BadMultipart('a delimiter of the multipart body is followed by text')
    }
    const blank = bytes.indexOf(BLANK_LINE)
    if (blank > HEAD_BYTES_MAX || (blank < 0 && bytes.length > HEAD_BYTES_MAX)) {
      throw new BadMultipart('the head of a part is too long')
    }
    if (blank < 0) return this.#hold(bytes)
    const end = blank + BLANK_LINE.length
    const isModel = namesModel(bytes.toString('latin1', 0, blank))
    if (isModel && ++this.#models > 1) throw new BadMultipart('"model" stands twice', DUPLICATE)
    this.#pass(bytes.subarray(0, end), pieces)
    this.#state = isModel ? 'value' : 'body'
    return end
  }

  #value(bytes: Buffer, at: number, pieces: Piece[]): number | undefined {
    if (at > MODEL_BYTES_MAX || (at < 0 && bytes.length > MODEL_BYTES_MAX + HEAD_BYTES_MAX)) {
      throw new BadMultipart('the name of the model is too long')
    }
    if (at < 0) return this.#hold(bytes)
    const value = bytes.subarray(0, at)
    pieces.push({ kind: 'model', bytes: value, value: value.toString() })
    this.#state = 'body'
    return at
  }

  #hold(bytes: Buffer): undefined {
    this.#held = bytes
  }

  #pass(bytes: Buffer, pieces: Piece[]): void {
    const unreal = Math.min(this.#unreal, bytes.length)
    this.#unreal -= unreal
    if (bytes.length > unreal) pieces.push({ kind: 'bytes', bytes: bytes.subarray(unreal) })
  }
}

const DUPLICATE = 'duplicate_field'

function namesModel(head: string): boolean {
  const lines = head.replaceAll(/\r\n[ \t]+/g, ' ').split('\r\n')
  const dispositions = lines.flatMap((line) => DISPOSITION.exec(line)?.[1] ?? [])
  const names = dispositions.flatMap((one) =>
    [...one.matchAll(NAME)].map(([, quoted, bare]) => (quoted ?? bare ?? '').replaceAll('\\', '')),
  )
  const looksSo = names.some((name) => name.toLowerCase() === 'model')
  if (names.length > 1 || dispositions.some((one) => EXTENDED.test(one))) {
    throw new BadMultipart('a part of the multipart body has two names')
  }
  if (looksSo && names[0] !== 'model') {
    throw new BadMultipart('a part is named as "model" in other letters', DUPLICATE)
  }
  return looksSo
}
