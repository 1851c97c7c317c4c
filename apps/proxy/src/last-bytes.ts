const CAPACITY_MIN = 1_024

/**
 * The last bytes of what passes, at most `bytesMax`. One chunk alone is kept as it is; several are
 * copied into a buffer of twice that size at most, so that each byte is moved twice at most.
 */
export class LastBytes {
  readonly #bytesMax: number
  #kept: Buffer | undefined
  #used = 0
  /** Whether `kept` is our own, which can be written to. */
  #isOwn = false

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  add(chunk: Buffer): void {
    const { length } = chunk
    if (length >= this.#bytesMax || !this.#kept) {
      this.#kept = chunk.subarray(-this.#bytesMax)
      this.#used = this.#kept.length
      this.#isOwn = false
      return
    }
    const kept = this.#roomFor(this.#kept, length)
    chunk.copy(kept, this.#used)
    this.#used += length
  }

  /** A view, good until the next add(). `last`: of those, so many. */
  bytes(last = this.#bytesMax): Buffer {
    const end = this.#used
    return this.#kept?.subarray(Math.max(0, end - Math.min(last, this.#bytesMax)), end) ?? EMPTY
  }

  #roomFor(kept: Buffer, length: number): Buffer {
    if (this.#isOwn && this.#used + length <= kept.length) return kept
    const from = Math.max(0, this.#used - this.#bytesMax)
    const held = this.#used - from
    const most = 2 * this.#bytesMax
    const fits = this.#isOwn && held + length <= kept.length && kept.length === most
    const capacity = Math.min(most, Math.max(CAPACITY_MIN, 2 * (held + length)))
    const target = fits ? kept : Buffer.allocUnsafe(Math.max(capacity, held + length))
    kept.copy(target, 0, from, this.#used)
    this.#kept = target
    this.#used = held
    this.#isOwn = true
    return target
  }
}

const EMPTY = Buffer.alloc(0)
