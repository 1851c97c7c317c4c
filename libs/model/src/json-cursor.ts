const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
const SPACE = 0x20

/**
 * Walks over JSON as JSON.stringify writes it (no white space) without making values of it. It
 * knows where each value begins and ends, and not whether what it skips is well formed: for text
 * that was checked when it was written, and whose hash holds. Where it finds another character
 * than there must be, it throws.
 */
export class JsonCursor {
  readonly bytes: Uint8Array
  at = 0
  /** Where the last string or member name lies, without its quotes. */
  start = 0
  end = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  /** Whether there is a (first or further) element of the list that was opened. */
  nextElement(first: boolean): boolean {
    return this.#next(first, OPEN_LIST, CLOSE_LIST)
  }

  /** The same of an object's members; then start and end say where its name lies. */
  nextMember(first: boolean): boolean {
    if (!this.#next(first, OPEN_OBJECT, CLOSE_OBJECT)) return false
    this.string()
    this.#take(COLON)
    return true
  }

  /** Passes a string; start and end say where it lies, as it is written. */
  string(): void {
    this.#take(QUOTE)
    const { bytes } = this
    let { at } = this
    this.start = at
    for (let byte = bytes[at]; byte !== QUOTE; byte = bytes[at]) {
      if (byte === undefined) throw new Error('a string does not end')
      at += byte === BACKSLASH ? 2 : 1
    }
    this.end = at
    this.at = at + 1
  }

  /** Passes a value, whatever it is. */
  value(): void {
    const { bytes } = this
    const first = bytes[this.at] ?? 0
    if (first === QUOTE) return this.string()
    if (first !== OPEN_LIST && first !== OPEN_OBJECT) return this.#word()
    let depth = 0
    do {
      const byte = bytes[this.at]
      if (byte === undefined) throw new Error('a value does not end')
      if (byte === QUOTE) {
        this.string()
        continue
      }
      if (byte === OPEN_OBJECT || byte === OPEN_LIST) depth++
      else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) depth--
      this.at++
    } while (depth > 0)
  }

  /** Whether the last string is this one. */
  is(text: Uint8Array): boolean {
    const { bytes, start, end } = this
    if (end - start !== text.length) return false
    for (let index = 0; index < text.length; index++) {
      if (bytes[start + index] !== text[index]) return false
    }
    return true
  }

  /** A number, or one of the three words. */
  #word(): void {
    const { bytes } = this
    const from = this.at
    for (let byte = bytes[this.at]; byte !== undefined; byte = bytes[this.at]) {
      if (byte === COMMA || byte === CLOSE_LIST || byte === CLOSE_OBJECT) break
      if (byte <= SPACE || byte === QUOTE) break
      this.at++
    }
    if (this.at === from) throw new Error('a value is missing')
  }

  #next(first: boolean, open: number, close: number): boolean {
    if (first) this.#take(open)
    const byte = this.bytes[this.at]
    if (byte === close) {
      this.at++
      return false
    }
    if (!first) this.#take(COMMA)
    return true
  }

  #take(byte: number): void {
    if (this.bytes[this.at] !== byte) {
      throw new Error(`expected ${String.fromCharCode(byte)} at ${this.at}`)
    }
    this.at++
  }
}
