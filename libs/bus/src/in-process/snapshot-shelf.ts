import { type PublishOutcome, type SignedManifest, type StoredChunk } from '../bus.ts'
import { chunksNamed } from '../manifest.ts'

interface Shelved {
  readonly data: Uint8Array
  /** In the order of everything that was put here. */
  readonly at: number
}

/** The newest manifest, and the chunks that it and the one before it name: as a broker does. */
export class SnapshotShelf {
  readonly #chunks = new Map<string, Shelved>()
  #manifest: SignedManifest | null = null
  #manifestAt = 0
  #puts = 0

  get manifest(): SignedManifest | null {
    return this.#manifest
  }

  chunk(hash: string): Uint8Array | null {
    return this.#chunks.get(hash)?.data ?? null
  }

  put({ hash, data }: StoredChunk): void {
    this.#chunks.set(hash, { data, at: ++this.#puts })
  }

  replace(next: SignedManifest, base: SignedManifest | null): PublishOutcome {
    if (base?.text !== this.#manifest?.text) return { kind: 'conflict' }
    const named = chunksNamed([next, this.#manifest])
    for (const [hash, { at }] of this.#chunks) {
      // Newer ones are of a manifest that somebody is still making, who will find this one.
      if (at < this.#manifestAt && !named.has(hash)) this.#chunks.delete(hash)
    }
    this.#manifest = next
    this.#manifestAt = ++this.#puts
    return { kind: 'stored' }
  }
}
