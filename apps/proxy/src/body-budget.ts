/** How many of the largest bodies may be held at once. */
export const LARGEST_AT_ONCE = 8

/**
 * What all request bodies that are held may have together: many clients that send large ones, or
 * send them slowly, must not take the memory of the process. Whoever comes over it is shed.
 */
export class BodyBudget {
  readonly #bytesMax: number
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** False: there is no room for these. */
  take(bytes: number): boolean {
    if (this.#bytes + bytes > this.#bytesMax) return false
    this.#bytes += bytes
    return true
  }

  give(bytes: number): void {
    this.#bytes -= bytes
  }

  /** Held now. */
  get bytes(): number {
    return this.#bytes
  }
}
