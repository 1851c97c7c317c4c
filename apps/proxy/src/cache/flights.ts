import { type KeptAnswer } from './kept-answer.ts'

/**
 * What those who waited are told; `left`: the client of the one who asked has gone; `draining`: the
 * proxy shuts down, and nobody asks any more.
 */
export type Landed = KeptAnswer | 'left' | 'nothing' | 'draining'

/**
 * Requests under way, by what they ask. The first of its kind asks the backend; the others wait for
 * its answer. If its client leaves, one of the others asks; if it gets no answer that can be given
 * to others, each goes its own way: in turn they would wait for one failure after the other.
 */
export class Flights {
  readonly #waiting = new Map<string, Set<(landed: Landed) => void>>()

  get count(): number {
    return this.#waiting.size
  }

  /** Requests that wait for the answer of another. */
  get waiting(): number {
    let sum = 0
    for (const waiting of this.#waiting.values()) sum += waiting.size
    return sum
  }

  /** True: nobody asks this yet, and the caller does now; then it calls land() once. */
  begin(key: string): boolean {
    if (this.#waiting.has(key)) return false
    this.#waiting.set(key, new Set())
    return true
  }

  /** Waits for who asks; `leave` ends that. */
  join(key: string): { readonly landed: Promise<Landed>; readonly leave: () => void } {
    const waiting = this.#waiting.get(key)
    if (!waiting) return { landed: Promise.resolve('nothing'), leave: () => {} }
    const { promise, resolve } = Promise.withResolvers<Landed>()
    waiting.add(resolve)
    const leave = () => {
      waiting.delete(resolve)
      resolve('nothing')
    }
    return { landed: promise, leave }
  }

  land(key: string, landed: Landed): void {
    const waiting = this.#waiting.get(key)
    this.#waiting.delete(key)
    for (const resolve of waiting ?? []) resolve(landed)
  }
}
