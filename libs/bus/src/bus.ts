import { type Head, type Heartbeat, type RevisionMessage, type StatusTable } from '@signalbox/model'

/** Ends a subscription. Calling it twice does nothing. */
export type Unsubscribe = () => void

export type PublishOutcome =
  | { readonly kind: 'stored' }
  /** The stream does not end at the revision before this one; read openStream() again. */
  | { readonly kind: 'conflict' }

export type FetchOutcome =
  | { readonly kind: 'found'; readonly messages: readonly RevisionMessage[] }
  /** The stream no longer holds the first of them: take a snapshot. */
  | { readonly kind: 'gone' }

export interface PublishedSnapshot {
  readonly head: Head
  /** encodeSnapshot()'s text. */
  readonly text: string
}

/** The bus did not answer in time or is not connected. The caller tries again later. */
export class BusUnavailable extends Error {
  override readonly name = 'BusUnavailable'
}

/**
 * What carries revisions down and acks, status and usage up. A rebuildable cache of the log, never
 * the truth. Live delivery is at most once, in any order: followers detect gaps by revision and
 * previous hash and repair with revisions(). Promises reject with BusUnavailable and nothing else.
 */
export interface Bus {
  connected(): boolean
  onConnection(listener: (connected: boolean) => void): Unsubscribe

  /**
   * Publisher: makes the stream of this lineage and epoch exist (one of another lineage or an older
   * epoch is dropped) and answers where it ends; revision 0 when it is empty.
   */
  openStream(log: { readonly lineage: string; readonly epoch: number }): Promise<Head>
  /** Compare-and-set: stored only if the stream ends at message.revision - 1. */
  publishRevision(message: RevisionMessage): Promise<PublishOutcome>
  publishSnapshot(snapshot: PublishedSnapshot): Promise<void>
  publishBeacon(head: Head): void

  /** Follower: live revisions and the head beacon, at most once. */
  onRevision(listener: (message: RevisionMessage) => void): Unsubscribe
  onBeacon(listener: (head: Head) => void): Unsubscribe
  /** Revisions from..to (both included; fewer when the stream ends before, at most 256 a call). */
  revisions(range: { readonly from: number; readonly to: number }): Promise<FetchOutcome>
  latestSnapshot(): Promise<PublishedSnapshot | null>

  /** Return lane: never mixed with configuration. */
  sendHeartbeat(heartbeat: Heartbeat): void
  onHeartbeat(listener: (heartbeat: Heartbeat) => void): Unsubscribe
  sendStatus(table: StatusTable): void
  onStatus(listener: (table: StatusTable) => void): Unsubscribe
  /** Asks every probe to send its whole table and every member to send its heartbeat, now. */
  askAround(): void
  onAsked(listener: () => void): Unsubscribe

  close(): Promise<void>
}
