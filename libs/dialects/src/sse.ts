import { LINE_CHARACTERS_MAX, LineReader } from './lines.ts'

export interface SseEvent {
  readonly event: string
  readonly data: string
}

/** Server-sent events out of bytes that are cut anywhere. Comments and ids are passed over. */
export class SseReader {
  readonly #lines = new LineReader()
  #event = ''
  #data: string[] = []
  #size = 0

  /** An event grew over every bound: nothing more comes. */
  get overflowed(): boolean {
    return this.#lines.overflowed || this.#size > LINE_CHARACTERS_MAX
  }

  read(bytes: Uint8Array): readonly SseEvent[] {
    return this.#take(this.#lines.read(bytes))
  }

  /** The event that no blank line follows, as the last one of some servers. */
  end(): readonly SseEvent[] {
    return this.#take([...this.#lines.end(), ''])
  }

  #take(lines: readonly string[]): readonly SseEvent[] {
    const events: SseEvent[] = []
    for (const line of lines) {
      if (line !== '') {
        this.#field(line)
        continue
      }
      if (this.#data.length > 0) events.push({ event: this.#event, data: this.#data.join('\n') })
      this.#event = ''
      this.#data = []
      this.#size = 0
    }
    return events
  }

  #field(line: string): void {
    const colon = line.indexOf(':')
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (name === 'event') this.#event = value
    if (name !== 'data') return
    // The line, not the value: lines without one would add up to no size at all.
    this.#size += line.length
    if (this.#size <= LINE_CHARACTERS_MAX) this.#data.push(value)
  }
}
