import { refuse, type Refusal, type Snapshot } from '@signalbox/model'
import { type IfMatch } from './command.ts'

/**
 * RFC 9110, 13.1.1, of the whole configuration: its ETag is the revision that the log ends with.
 * It always exists, so that `*` always holds.
 */
export function movedHead(ifMatch: IfMatch, { head }: Snapshot): Refusal | undefined {
  if (ifMatch === null || ifMatch === '*' || ifMatch === head.revision) return undefined
  const message = `the configuration is at revision ${head.revision}, not ${ifMatch}`
  return refuse('precondition_failed', message, { current: { revision: head.revision } })
}
