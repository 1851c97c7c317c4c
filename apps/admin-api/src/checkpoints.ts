import {
  type Cancel,
  type Clock,
  type Log,
  publicKeyOf,
  sha256,
  signBytes,
  signingKey,
} from '@signalbox/host'
import { type Head, originOf, signCheckpoint, verifierKey } from '@signalbox/model'
import { type Store } from '@signalbox/store'
import { type AdminConfig } from './config.ts'

/** While the log changes, its end is signed this often. */
export const CHECKPOINT_MS = 60_000

export interface CheckpointsDeps {
  readonly config: Pick<AdminConfig, 'fleet' | 'masterKey' | 'previousMasterKeys'>
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
}

/** Signs where the log ends: on demand, and by itself once a minute of change. */
export class Checkpoints {
  readonly #deps: CheckpointsDeps
  readonly #key
  readonly #publicKey: Uint8Array
  /** With the former master keys': what those signed still stands in the log. */
  readonly publicKeys: readonly Uint8Array[]
  readonly #stopRepeating: Cancel
  #kept = 0
  #running: Promise<void> = Promise.resolve()

  constructor(deps: CheckpointsDeps) {
    this.#deps = deps
    this.#key = signingKey(deps.config.masterKey, deps.config.fleet)
    this.#publicKey = publicKeyOf(this.#key)
    const { fleet, previousMasterKeys = [] } = deps.config
    const former = previousMasterKeys.map((key) => publicKeyOf(signingKey(key, fleet)))
    this.publicKeys = [this.#publicKey, ...former]
    this.#stopRepeating = deps.clock.every(CHECKPOINT_MS, () => {
      this.#running = this.#running.then(() => this.#keep())
    })
  }

  /** The signed note of this end of the log. */
  sign({ lineage, epoch, revision, hash }: Head): string {
    const origin = originOf(this.#deps.config.fleet, lineage)
    return signCheckpoint({ origin, revision, epoch, hash }, this.signer())
  }

  /** The public key as C2SP's signed notes write it. */
  verifierKey(lineage: string): string {
    return verifierKey(originOf(this.#deps.config.fleet, lineage), this.#publicKey, sha256)
  }

  /** What signs, and what of it verifies. */
  signer() {
    const sign = (bytes: Uint8Array) => signBytes(bytes, this.#key)
    return { sign, sha256, publicKey: this.#publicKey }
  }

  /** Settles when what is under way is kept. */
  settled(): Promise<void> {
    return this.#running
  }

  async stop(): Promise<void> {
    this.#stopRepeating()
    await this.#running
  }

  async #keep(): Promise<void> {
    const { store, clock, log } = this.#deps
    try {
      const head = await store.head()
      if (head.revision === this.#kept || head.revision === 0) return
      const at = new Date(clock.nowMs()).toISOString()
      await store.keepCheckpoint({ revision: head.revision, at, note: this.sign(head) })
      this.#kept = head.revision
    } catch (error) {
      log.warn({ cause: error instanceof Error ? error.message : 'unknown' }, 'no checkpoint now')
    }
  }
}
