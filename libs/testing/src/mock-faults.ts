import { type IncomingMessage, type ServerResponse } from 'node:http'
import { type Broken } from './mock-broken.ts'

/**
 * How a connection breaks: `clean` is an end of the body that looks whole but is not; `silence` no
 * end at all.
 */
export type CutHow = 'fin' | 'reset' | 'clean' | 'silence'

/** One thing that goes wrong instead of, or inside, an answer. */
export type Fault =
  | {
      readonly kind: 'status'
      readonly status: number
      readonly body?: string | undefined
      readonly headers?: Readonly<Record<string, string>> | undefined
    }
  /** The request is read, an answer never comes. */
  | { readonly kind: 'hang' }
  /** RST once the request is read, before any byte of the answer. */
  | { readonly kind: 'reset' }
  /** The answer breaks off after this many events of a stream; in the middle of any other body. */
  | { readonly kind: 'cut'; readonly afterEvents: number; readonly how: CutHow }
  /** The answer comes in pieces of this many bytes, each in a turn of the event loop of its own. */
  | { readonly kind: 'drip'; readonly bytes: number }
  | Broken
  /** HTTP/2: the connection takes no more streams, and this one was not processed. */
  | { readonly kind: 'goaway' }
  /** The test answers. */
  | { readonly kind: 'custom'; readonly answer: Answer }

export type Answer = (request: IncomingMessage, response: ServerResponse) => void

export interface FaultScope {
  /** Only requests for this path, such as `/health`. */
  readonly only?: string
  /** Only this many requests. */
  readonly times?: number
}

interface Injected {
  readonly fault: Fault
  readonly only: string | undefined
  left: number
}

/** The faults that wait for requests. The newest that fits a request is the one it meets. */
export class Faults {
  #injected: Injected[] = []

  inject(fault: Fault, { only, times = Infinity }: FaultScope = {}): void {
    this.#injected.unshift({ fault, only, left: times })
  }

  heal(): void {
    this.#injected = []
  }

  /** The fault that this request meets, which is thereby used once. */
  take(path: string): Fault | undefined {
    const found = this.#injected.find(({ only }) => only === undefined || only === path)
    if (!found) return undefined
    found.left -= 1
    if (found.left <= 0) this.#injected = this.#injected.filter((one) => one !== found)
    return found.fault
  }
}

/** Lets events of streams through one by one while it is held; all of them otherwise. */
export class Gate {
  #held = false
  #permits = 0
  #waiting = new Set<() => void>()

  hold(): void {
    this.#held = true
    this.#permits = 0
  }

  /** Lets this many more events through, in the order in which they came to the gate. */
  release(count: number): void {
    this.#permits += count
    for (const pass of this.#waiting) {
      if (this.#permits === 0) return
      this.#permits -= 1
      this.#waiting.delete(pass)
      pass()
    }
  }

  open(): void {
    this.#held = false
    for (const pass of this.#waiting) pass()
    this.#waiting.clear()
  }

  /** Calls `pass` when an event may go; answers how to give up waiting. */
  enter(pass: () => void): () => void {
    if (!this.#held || this.#permits > 0) {
      if (this.#held) this.#permits -= 1
      pass()
      return () => undefined
    }
    this.#waiting.add(pass)
    return () => void this.#waiting.delete(pass)
  }
}
