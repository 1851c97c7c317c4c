import { type KeptAnswer, sizeOf } from './kept-answer.ts'

/**
 * Answers in memory, by key; never more bytes than its bound. Those that were not asked for longest
 * give way first.
 */
export class MemoryCache {
  readonly #bytesMax: number
  /** In the order of their last use. */
  readonly #entries = new Map<string, KeptAnswer>()
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get bytes(): number {
    return this.#bytes
  }

  get count(): number {
    return this.#entries.size
  }

  get(key: string, nowMs: number): KeptAnswer | undefined {
    const found = this.#entries.get(key)
    if (!found) return undefined
    this.#entries.delete(key)
    if (found.endsAtMs <= nowMs) {
      this.#bytes -= sizeOf(found)
      return undefined
    }
    this.#entries.set(key, found)
    return found
  }

  put(key: string, answer: KeptAnswer): void {
    const size = sizeOf(answer)
    if (size > this.#bytesMax) return
    this.#remove(key)
    this.#entries.set(key, answer)
    this.#bytes += size
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#bytesMax) break
      this.#remove(oldest)
    }
  }

  #remove(key: string): void {
    const found = this.#entries.get(key)
    if (!found) return
    this.#entries.delete(key)
    this.#bytes -= sizeOf(found)
  }
}
