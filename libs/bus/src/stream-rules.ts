import { GENESIS_HASH, type Head, type RevisionMessage } from '@signalbox/model'
import { BusUnavailable, type OpenedLog } from './bus.ts'
import { sizeProblem } from './encode.ts'

/** Whose log a stream caches. */
export interface StreamOwner {
  readonly lineage: string
  readonly epoch: number
}

/** What openStream() does about the stream that it finds. */
export function judgeStream(
  found: StreamOwner | null,
  log: OpenedLog,
): 'keep' | 'create' | 'replace' {
  if (!found) return 'create'
  if (found.lineage !== log.lineage) return 'replace'
  if (found.epoch > log.epoch) {
    // Dropping it would let a failed-over primary that came back undo its successor's work.
    throw new BusUnavailable(`the stream is at epoch ${found.epoch}, this log at ${log.epoch}`)
  }
  return found.epoch < log.epoch || log.rebuild ? 'replace' : 'keep'
}

/** Whether a message may go to a stream: revisions of an earlier epoch are part of a later log. */
export function belongs(message: RevisionMessage, opened: StreamOwner | null): boolean {
  return message.lineage === opened?.lineage && message.epoch <= opened.epoch
}

export function emptyHead({ lineage, epoch }: StreamOwner): Head {
  return { lineage, epoch, revision: 0, hash: GENESIS_HASH }
}

export function headOf({ lineage, epoch, revision, hash }: RevisionMessage): Head {
  return { lineage, epoch, revision, hash }
}

export function requireFits(message: RevisionMessage): void {
  const problem = sizeProblem(message.body)
  if (problem) throw new Error(`revision ${message.revision} has ${problem}`)
}
