/** A chunk of Gemini's may hold an image; nothing that is in use is longer. */
export const LINE_CHARACTERS_MAX = 16 * 1_024 * 1_024

const LINE_END = /\r\n|\n|\r/g

/**
 * Lines out of bytes that are cut anywhere: in a character, or between CR and LF. Holds no more
 * than one line, and of it at most LINE_CHARACTERS_MAX.
 */
export class LineReader {
  readonly #decoder = new TextDecoder()
  #rest = ''
  #afterCr = false
  overflowed = false

  read(bytes: Uint8Array): readonly string[] {
    return this.#split(this.#decoder.decode(bytes, { stream: true }))
  }

  /** The last line, where no line break follows it. */
  end(): readonly string[] {
    const lines = this.#split(this.#decoder.decode())
    const rest = this.#rest
    this.#rest = ''
    return rest === '' ? lines : [...lines, rest]
  }

  #split(decoded: string): readonly string[] {
    if (decoded === '' || this.overflowed) return []
    // The LF of a CRLF that was cut in two: its line is out already.
    const text = this.#afterCr && decoded.startsWith('\n') ? decoded.slice(1) : decoded
    this.#afterCr = decoded.endsWith('\r')
    const lines = text.split(LINE_END)
    const rest = lines.pop() ?? ''
    if (lines.length > 0) {
      lines[0] = this.#rest + (lines[0] ?? '')
      this.#rest = ''
    }
    if (this.#rest.length + rest.length > LINE_CHARACTERS_MAX) {
      this.overflowed = true
      this.#rest = ''
      return lines
    }
    this.#rest += rest
    return lines
  }
}
