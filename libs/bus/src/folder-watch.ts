import { type Log } from '@signalbox/host'
import { type Head, type Manifest, type Snapshot } from '@signalbox/model'
import { type SignedManifest } from './bus.ts'
import { openManifest, type Trusts } from './manifest.ts'
import { type ChunkSource, type Digests, readSnapshot } from './read-snapshot.ts'
import { type SnapshotSource } from './snapshot-folder.ts'

/*
 * A folder never pushes, and nobody answers for it: it may be empty, half copied, old, of another
 * log, or forged. So it is looked at again and again, and only what is certainly newer than what is
 * here is offered: of the same log, of no older epoch, and of a later revision. What contradicts
 * what is here (another log, another history of the same one) is named and left alone: only a
 * beacon, which a folder cannot send, may replace a history (follower.ts).
 */

export interface FolderWatchOptions {
  readonly folder: SnapshotSource
  readonly trusts: Trusts
  readonly log: Log
  /** Chunks that need not be read from the folder again. */
  readonly near?: ChunkSource | undefined
  readonly digests?: Digests | undefined
  /** What is here by now. */
  readonly mine: () => Head | null
  readonly offer: (snapshot: Snapshot) => void
}

/** One look at a time; `problem` says why nothing came of the last one. */
export class FolderWatch {
  readonly #options: FolderWatchOptions
  #problem: string | null = null
  #looking = false

  constructor(options: FolderWatchOptions) {
    this.#options = options
  }

  /** A stable word, with detail after a colon; null where the folder has nothing against it. */
  get problem(): string | null {
    return this.#problem
  }

  /** Answers whether `problem` is another one now. */
  async look(): Promise<boolean> {
    if (this.#looking) return false
    this.#looking = true
    const before = this.#problem
    try {
      this.#problem = await this.#look()
    } catch (error) {
      this.#problem = error instanceof Error ? error.message : String(error)
    } finally {
      this.#looking = false
    }
    const changed = this.#problem !== before
    if (changed && this.#problem !== null) {
      this.#options.log.warn({ problem: this.#problem }, 'the snapshot folder is not used')
    }
    return changed
  }

  async #look(): Promise<string | null> {
    const { folder, trusts, mine, offer } = this.#options
    const signed = await folder.latestManifest()
    if (!signed) return mine() ? null : 'empty'
    const manifest = openManifest(signed, trusts)
    if (!manifest.ok) return manifest.error
    const judged = judge(manifest.value.head, mine())
    if (judged !== 'newer') return judged
    const read = await this.#read(manifest.value)
    if (typeof read !== 'string') offer(read)
    // Somebody may just be writing the next one: then this look was for nothing.
    else if (await this.#isStill(signed)) return read
    return null
  }

  async #read(manifest: Manifest): Promise<Snapshot | string> {
    const { folder, near, digests } = this.#options
    const here = { name: 'the folder', chunk: (hash: string) => folder.snapshotChunk(hash) }
    const sources = near ? [near, here] : [here]
    const read = await readSnapshot(manifest, { sources, digests })
    return read.ok ? read.value : read.error
  }

  async #isStill({ text }: SignedManifest): Promise<boolean> {
    return (await this.#options.folder.latestManifest())?.text === text
  }
}

/** What a folder's head is to ours; null where it is nothing new. */
function judge(theirs: Head, mine: Head | null): 'newer' | string | null {
  if (!mine) return 'newer'
  if (theirs.lineage !== mine.lineage) return 'conflict: it is of another log'
  const here = `epoch ${mine.epoch} at revision ${mine.revision} here`
  const there = `epoch ${theirs.epoch} at revision ${theirs.revision} there`
  const conflict = `conflict: ${here}, ${there}`
  if (theirs.revision > mine.revision) return theirs.epoch >= mine.epoch ? 'newer' : conflict
  if (theirs.epoch > mine.epoch) return conflict
  const other = theirs.revision === mine.revision && theirs.hash !== mine.hash
  return other ? `conflict: another revision ${mine.revision}` : null
}
