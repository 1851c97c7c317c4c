import { type KeptAnswer } from './kept-answer.ts'

/** Speak of the moment, and of whose answer it was. */
const OF_THE_MOMENT = /^(?:x-ratelimit-|retry-after$)/

/** Notes an answer while it is relayed, up to a bound; what is longer is not noted. */
export class Recorder {
  readonly #bytesMax: number
  readonly #forOthers: boolean
  #bytes = 0
  #status = 0
  #headers: string[] = []
  #chunks: Buffer[] | undefined = []
  #whole = false

  /** `forOthers`: somebody waits for it, who must not wait for a client that reads slowly. */
  constructor(bytesMax: number, forOthers: boolean) {
    this.#bytesMax = bytesMax
    this.#forOthers = forOthers
  }

  /** Whether the answer is read on though its own client does not: it is in memory anyway. */
  get hurries(): boolean {
    return this.#forOthers && this.#chunks !== undefined
  }

  /** `headers`: name, value, name, value ... */
  head(status: number, headers: readonly string[]): void {
    this.#status = status
    this.#headers = []
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i] ?? ''
      if (!OF_THE_MOMENT.test(name)) this.#headers.push(name, headers[i + 1] ?? '')
    }
  }

  chunk(bytes: Buffer): void {
    this.#bytes += bytes.length
    if (this.#bytes > this.#bytesMax) this.#chunks = undefined
    this.#chunks?.push(bytes)
  }

  end(): void {
    this.#whole = true
  }

  /** The answer, if it came whole and was not too long. */
  answer(): Pick<KeptAnswer, 'status' | 'headers' | 'chunks'> | undefined {
    if (!this.#whole || !this.#chunks) return undefined
    return { status: this.#status, headers: this.#headers, chunks: together(this.#chunks) }
  }
}

/** In one piece of memory: a small chunk alone may hold eight kilobytes of others'. */
function together(chunks: readonly Buffer[]): readonly Buffer[] {
  const all = Buffer.allocUnsafeSlow(chunks.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  return chunks.map((chunk) => {
    const from = at
    at += chunk.copy(all, at)
    return all.subarray(from, at)
  })
}
