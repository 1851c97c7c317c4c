import { type Sha256 } from './chain.ts'
import {
  type Checkpoint,
  isClaimedBy,
  openCheckpoint,
  parseNote,
  type Verify,
} from './checkpoint.ts'

export interface KeptNotes {
  readonly checkpoints: readonly { readonly index: number; readonly checkpoint: Checkpoint }[]
  readonly problems: readonly { readonly index: number; readonly message: string }[]
  /** How many are of a key that is not known any more, and stand before one that is. */
  readonly others: number
}

/**
 * Opens kept notes with the keys that are known. The key changes with the master key: what a former
 * one signed need not be opened where a later checkpoint is good, since that one vouches for all
 * that came before it. A note that claims a known key and is not signed with it is wrong anywhere.
 */
export function openKept(
  notes: readonly string[],
  keys: readonly Uint8Array[],
  tools: { readonly verify: Verify; readonly sha256: Sha256 },
): KeptNotes {
  const checkpoints: { index: number; checkpoint: Checkpoint }[] = []
  const problems: { index: number; message: string }[] = []
  const unknown: { index: number; revision: number }[] = []
  for (const [index, note] of notes.entries()) {
    const parsed = parseNote(note)
    if (!parsed.ok) {
      problems.push({ index, message: parsed.error })
      continue
    }
    const claimed = keys.filter((publicKey) => isClaimedBy(parsed.value, publicKey, tools.sha256))
    const [publicKey] = claimed
    if (!publicKey) {
      unknown.push({ index, revision: parsed.value.checkpoint.revision })
      continue
    }
    const opened = openCheckpoint(note, { publicKey, ...tools })
    if (opened.ok) checkpoints.push({ index, checkpoint: opened.value })
    else problems.push({ index, message: opened.error })
  }
  const newest = Math.max(0, ...checkpoints.map(({ checkpoint }) => checkpoint.revision))
  const late = unknown.filter(({ revision }) => revision >= newest)
  const notSigned = late.map(({ index }) => ({ index, message: 'not signed with this key' }))
  problems.push(...notSigned)
  return { checkpoints, problems, others: unknown.length - late.length }
}
