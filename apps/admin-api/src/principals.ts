import { type Cancel, type Clock, type Log } from '@signalbox/host'
import { type Actor } from '@signalbox/model'
import { type Store } from '@signalbox/store'

const REFRESH_MS = 1_000
const NOTE_USES_MS = 60_000

export interface PrincipalsDeps {
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
}

interface Known {
  readonly actor: Actor
  readonly endsMs: number
}

/**
 * The principals of the log, by the hash of their tokens. Read again when the log has grown, and
 * every second anyway; while the database is away, what was last read holds.
 */
export class Principals {
  readonly #deps: PrincipalsDeps
  readonly #ends: Cancel[]
  #byHash: ReadonlyMap<string, Known> = new Map()
  #uses = new Map<string, Date>()
  #reading: Promise<void> = Promise.resolve()
  #again = false

  constructor(deps: PrincipalsDeps) {
    this.#deps = deps
    const { store, clock } = deps
    this.#ends = [
      store.onAppend(() => void this.refresh()),
      clock.every(REFRESH_MS, () => void this.refresh()),
      clock.every(NOTE_USES_MS, () => void this.#noteUses()),
    ]
  }

  /** Who the token of this hash belongs to, while it is good. */
  find(hash: string): Actor | undefined {
    const known = this.#byHash.get(hash)
    const nowMs = this.#deps.clock.nowMs()
    if (!known || nowMs >= known.endsMs) return undefined
    this.#uses.set(known.actor.id, new Date(nowMs))
    return known.actor
  }

  /** Settles when what the log says now is known here; one reading at a time. */
  refresh(): Promise<void> {
    if (this.#again) return this.#reading
    this.#again = true
    this.#reading = this.#reading.then(() => {
      this.#again = false
      return this.#read()
    })
    return this.#reading
  }

  async stop(): Promise<void> {
    for (const end of this.#ends) end()
    await this.#reading
    await this.#noteUses()
  }

  async #read(): Promise<void> {
    try {
      this.#byHash = await readByHash(this.#deps.store)
    } catch (error) {
      this.#deps.log.debug({ cause: messageOf(error) }, 'principals cannot be read now')
    }
  }

  async #noteUses(): Promise<void> {
    const uses = this.#uses
    this.#uses = new Map()
    try {
      await this.#deps.store.noteUses(uses)
    } catch (error) {
      for (const [id, at] of uses) if (!this.#uses.has(id)) this.#uses.set(id, at)
      this.#deps.log.debug({ cause: messageOf(error) }, 'uses cannot be noted now')
    }
  }
}

async function readByHash(store: Store): Promise<ReadonlyMap<string, Known>> {
  const byHash = new Map<string, Known>()
  for (const { id, spec } of await store.principals()) {
    if (!spec.enabled) continue
    const actor = { id, role: spec.role }
    const endsMs = endOf(spec.expiresAt)
    if (spec.previous) {
      byHash.set(spec.previous.hash, {
        actor,
        endsMs: Math.min(endsMs, endOf(spec.previous.until)),
      })
    }
    byHash.set(spec.hash, { actor, endsMs })
  }
  return byHash
}

function endOf(time: string | undefined): number {
  return time === undefined ? Infinity : Date.parse(time)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown'
}
