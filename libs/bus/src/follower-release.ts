import { activeFor, openRelease, type Snapshot } from '@signalbox/model'
import { type Changed } from './follower-fold.ts'
import { type Identity } from './follow.ts'

/** While a release is open members say so often how it does: the verdict waits for it. */
export const RELEASE_HEARTBEAT_MS = 2_000

export interface Activated {
  readonly snapshot: Snapshot
  readonly changed: Changed
}

/**
 * The second pointer. The follower's chain is what is received; what of it is active for this
 * member follows from the snapshot alone (activeFor() in libs/model), so that nothing of it is kept
 * on disk and nothing can be lost: a restart, a snapshot that was taken and a second chain all end
 * at the same answer.
 */
export class Activation {
  readonly #identity: Identity
  #received: Snapshot | null = null
  #active: Snapshot | null = null

  constructor(identity: Identity) {
    this.#identity = identity
  }

  /** What is active of a snapshot that was received, and what that changes here. */
  take(received: Snapshot, changed: Changed): Activated {
    const before = this.#received
    this.#received = received
    this.#active = activeFor(received, this.#identity)
    // A release that begins, widens or ends changes more than its own revision says.
    const same = before ? before.releases === received.releases : this.#active === received
    return { snapshot: this.#active, changed: same ? changed : 'all' }
  }

  /** The revision that routes here; at most what a member may say, which is what is durable. */
  revision(durable: number): number {
    const active = this.#active?.head.revision ?? 0
    return this.#active === this.#received ? durable : Math.min(durable, active)
  }

  /** The same before it is durable. 0: none. */
  get routing(): number {
    return this.#active?.head.revision ?? 0
  }

  get isOpen(): boolean {
    return this.#received !== null && openRelease(this.#received) !== undefined
  }
}
