import { type Changed } from '@signalbox/bus'
import { encodeSnapshot, type Snapshot, type Status } from '@signalbox/model'
import { deltaOf } from './delta.ts'
import { type Config } from './messages.ts'

/** Statuses of backends that the log has not told of yet that are kept at most. */
const EARLY_MAX = 10_000

/** What the parent has for its workers: the newest snapshot, the newest status of each backend. */
export class Feed {
  #snapshot: Snapshot | null = null
  #text: string | null = null
  #serial = 0
  #early = 0
  readonly #statuses = new Map<string, Status>()

  /** Counts the snapshots; 0: there is none yet. */
  get serial(): number {
    return this.#serial
  }

  get snapshot(): Snapshot | null {
    return this.#snapshot
  }

  take(snapshot: Snapshot): void {
    this.#snapshot = snapshot
    this.#text = null
    this.#serial++
    this.#early = 0
    for (const backend of this.#statuses.keys()) {
      if (!snapshot.backends.has(backend)) this.#statuses.delete(backend)
    }
  }

  /** The newest snapshot: whole, or what has changed. */
  config(changed: Changed): Config | null {
    const { serial } = this
    if (!this.#snapshot) return null
    if (changed !== 'all') return { kind: 'delta', serial, delta: deltaOf(this.#snapshot, changed) }
    return { kind: 'snapshot', serial, text: (this.#text ??= encodeSnapshot(this.#snapshot)) }
  }

  /** They come in order: each replaces what was known. */
  observe(statuses: readonly Status[]): void {
    for (const status of statuses) {
      const { backend } = status
      const known = this.#statuses.get(backend)
      if (!known && !this.#snapshot?.backends.has(backend) && ++this.#early > EARLY_MAX) continue
      this.#statuses.set(backend, status)
    }
  }

  statuses(): readonly Status[] {
    return [...this.#statuses.values()]
  }
}
