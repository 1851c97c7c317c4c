import { encodeRecord, type RequestRecord, USAGE_BYTES_MAX } from '@signalbox/model'

/** Records that wait at most; what is over it is left out. */
export const WAITING_MAX = 10_000

/** Lines of encodeRecord(), no more than travel at once. */
export interface Lines {
  readonly text: string
  readonly records: number
}

/**
 * Records of requests that wait to be handed over, as bytes: as objects the thousands that come
 * between two hand-overs outlive the young generation, and the heap of a busy proxy is five times
 * what lives in it.
 */
export class WaitingLines {
  #chunk: Buffer | undefined
  #bytes = 0
  #records = 0
  readonly #whole: Lines[] = []
  #count = 0

  get count(): number {
    return this.#count
  }

  /** False: there are too many already, or it is larger than what may travel. */
  add(record: RequestRecord): boolean {
    const line = encodeRecord(record)
    const bytes = Buffer.byteLength(line)
    if (this.#count >= WAITING_MAX || bytes > USAGE_BYTES_MAX) return false
    if (this.#bytes + bytes > USAGE_BYTES_MAX) this.#close()
    this.#chunk ??= Buffer.allocUnsafeSlow(USAGE_BYTES_MAX)
    this.#bytes += this.#chunk.write(line, this.#bytes)
    this.#records += 1
    this.#count += 1
    return true
  }

  /** Of another process. False: there are too many already. */
  addLines(lines: Lines): boolean {
    if (this.#count >= WAITING_MAX) return false
    this.#whole.push(lines)
    this.#count += lines.records
    return true
  }

  /** What is to be handed over next, and stays until shift(). */
  first(): Lines | undefined {
    if (this.#whole.length === 0) this.#close()
    return this.#whole[0]
  }

  shift(): Lines | undefined {
    const first = this.first()
    this.#whole.shift()
    this.#count -= first?.records ?? 0
    return first
  }

  #close(): void {
    if (this.#records === 0 || !this.#chunk) return
    this.#whole.push({ text: this.#chunk.toString('utf8', 0, this.#bytes), records: this.#records })
    this.#bytes = 0
    this.#records = 0
  }
}
