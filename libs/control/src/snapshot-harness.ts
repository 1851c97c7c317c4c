import {
  project,
  type Draft,
  type RevisionBody,
  type RevisionMessage,
  type Snapshot,
} from '@signalbox/model'
import { type GivenSpecs, snapshotOfSpecs } from '@signalbox/testing'

/** A snapshot at revision 7 whose resources are all at version 3 and revision 5. For tests. */
export function snapshotOf(given: GivenSpecs): Snapshot {
  return snapshotOfSpecs(given, { head: 7, version: 3, revision: 5 })
}

/** The snapshot once the drafts are the next revision. */
export function commit(snapshot: Snapshot, drafts: readonly Draft[]): Snapshot {
  const { lineage, epoch, hash } = snapshot.head
  const revision = snapshot.head.revision + 1
  const message: RevisionMessage = {
    lineage,
    epoch,
    revision,
    previousHash: hash,
    hash: revision.toString(16).padStart(64, '0'),
    body: '',
  }
  const events = drafts.map((draft, n) => ({ ...draft, position: n + 1, schema: 1 }))
  const body: RevisionBody = {
    v: 1,
    fleet: 'default',
    lineage,
    epoch,
    revision,
    at: '2026-01-02T00:00:00.000Z',
    actor: 'root',
    role: 'admin',
    source: 'api',
    reason: null,
    requestId: 'r1',
    changeRef: null,
    address: null,
    events,
  }
  return project(snapshot, message, body)
}
