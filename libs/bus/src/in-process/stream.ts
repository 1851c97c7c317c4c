import { type Head, type RevisionMessage } from '@signalbox/model'
import { type FetchOutcome, REVISIONS_PER_FETCH } from '../bus.ts'
import { emptyHead, headOf, type StreamOwner } from '../stream-rules.ts'

export interface Retention {
  readonly revisionsMax: number
  readonly bytesMax: number
}

/** The newest revisions of one log, dense and in order. Oldest ones go when a limit is reached. */
export class RevisionStream {
  readonly owner: StreamOwner
  readonly #retention: Retention
  readonly #comparesAndSets: boolean
  #messages: RevisionMessage[] = []
  #bytes = 0
  #end: Head

  constructor(owner: StreamOwner, retention: Retention, comparesAndSets = true) {
    this.#comparesAndSets = comparesAndSets
    this.owner = owner
    this.#retention = retention
    this.#end = emptyHead(owner)
  }

  get held(): readonly RevisionMessage[] {
    return this.#messages
  }

  get end(): Head {
    return this.#end
  }

  append(message: RevisionMessage): boolean {
    const follows = message.revision === this.#end.revision + 1
    if (this.#comparesAndSets && !follows) return false
    this.#messages.push(message)
    this.#bytes += message.body.length
    this.#end = headOf(message)
    this.#trim()
    return true
  }

  read(range: { readonly from: number; readonly to: number }): FetchOutcome {
    const first = this.#end.revision - this.#messages.length + 1
    if (range.from < first) return { kind: 'gone' }
    const to = Math.min(range.to, range.from + REVISIONS_PER_FETCH - 1)
    return { kind: 'found', messages: this.#messages.slice(range.from - first, to - first + 1) }
  }

  /** Loses the newest ones, as a broker does that crashed before it wrote them. */
  truncate(revision: number): void {
    const lost = Math.max(0, this.#end.revision - revision)
    if (lost >= this.#messages.length) {
      this.#messages = []
      this.#end = emptyHead(this.owner)
    } else {
      this.#messages.length -= lost
    }
    const last = this.#messages.at(-1)
    if (last) this.#end = headOf(last)
    this.#bytes = this.#messages.reduce((sum, { body }) => sum + body.length, 0)
  }

  #trim(): void {
    const { revisionsMax, bytesMax } = this.#retention
    while (this.#messages.length > revisionsMax || this.#bytes > bytesMax) {
      this.#bytes -= this.#messages.shift()?.body.length ?? 0
    }
  }
}
