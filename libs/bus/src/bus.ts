import {
  type Head,
  type Heartbeat,
  type LeaseReport,
  type RevisionMessage,
  type Spending,
  type StatusTable,
} from '@signalbox/model'

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

/** Bytes of a revision's body on the wire, compressed. The admin API refuses larger changes. */
export const REVISION_BYTES_MAX = 512 * 1024
/** Bytes of it in clear: what a few bytes may at most become. */
export const REVISION_TEXT_BYTES_MAX = 16 * 1024 * 1024
/** Revisions that one call of revisions() answers at most. */
export const REVISIONS_PER_FETCH = 256
/** Every request to the bus is answered, or rejected with BusUnavailable, within this time. */
export const REQUEST_DEADLINE_MS = 5_000

/** Which log a publisher follows. */
export interface OpenedLog {
  readonly lineage: string
  readonly epoch: number
  /** The publisher found that the stream is not a prefix of its log: drop it, whatever it holds. */
  readonly rebuild?: boolean
}

/** The newest snapshot's table of contents, as it travels, and the fleet's word for it. */
export interface SignedManifest {
  /** encodeManifest()'s text. */
  readonly text: string
  /** Base64url; of what manifest.ts says. */
  readonly signature: string
}

/** A chunk of a snapshot as it is stored: under the hash of its text, gzipped. */
export interface StoredChunk {
  readonly hash: string
  readonly data: Uint8Array
}

/** Bytes of a stored chunk, and of a manifest compressed: what one message may have. */
export const CHUNK_BYTES_MAX = 960 * 1024

/** Records of requests, as they travel to whoever stores them. */
export interface UsageBatch {
  /** Whose they are. */
  readonly proxy: string
  /** Of this batch; the same when it is sent again. */
  readonly id: string
  /** Lines of encodeRecord(), USAGE_BYTES_MAX at most. */
  readonly text: string
}

/** Stores a batch; resolves when it is stored, which may be for the second time. */
export type StoreUsage = (batch: UsageBatch) => Promise<void>

/** The bus did not answer in time or is not connected. The caller tries again later. */
export class BusUnavailable extends Error {
  override readonly name = 'BusUnavailable'
}

/**
 * What carries revisions down and acks, status and usage up. A rebuildable cache of the log, never
 * the truth. Live delivery is at most once, in any order: followers detect gaps by revision and
 * previous hash and repair with revisions(). Promises reject with BusUnavailable and nothing else
 * (bugs aside). Listeners are never called inside the stack of the call that caused it.
 */
export interface Bus {
  /** There is none, and there will be none: noBus(). */
  readonly absent?: true
  connected(): boolean
  onConnection(listener: (connected: boolean) => void): Unsubscribe

  /**
   * Publisher: makes the stream of this lineage and epoch exist (one of another lineage or an older
   * epoch is dropped, and with a stream that is made anew goes whatever snapshot was there) and
   * answers where it ends; revision 0 when it is empty. Rejects while the stream belongs to a newer
   * epoch: this publisher's log is a stale one.
   */
  openStream(log: OpenedLog): Promise<Head>
  /**
   * Compare-and-set: stored only if the stream that openStream() answered for ends at
   * message.revision - 1. A rejection leaves open whether it was stored. A body that
   * cannot travel (sizeProblem()) is a bug and throws.
   */
  publishRevision(message: RevisionMessage): Promise<PublishOutcome>
  /** Stores a chunk, whatever is there under its hash. To be done before its manifest is. */
  publishChunk(chunk: StoredChunk): Promise<void>
  /**
   * Compare-and-set: stored only if the manifest that is there is `base`, which its chunks were
   * made from (null: there is none). Chunks that neither of the two names, and that are older than
   * `base`, are removed. A rejection leaves open whether it was stored.
   */
  publishManifest(next: SignedManifest, base: SignedManifest | null): Promise<PublishOutcome>
  publishBeacon(head: Head): void

  /** Follower: live revisions and the head beacon, at most once. */
  onRevision(listener: (message: RevisionMessage) => void): Unsubscribe
  onBeacon(listener: (head: Head) => void): Unsubscribe
  /** Revisions from..to, both included; fewer at the stream's end and over REVISIONS_PER_FETCH. */
  revisions(range: { readonly from: number; readonly to: number }): Promise<FetchOutcome>
  latestManifest(): Promise<SignedManifest | null>
  /** Its data; null where there is none of that hash (a replica that lags says so, too). */
  snapshotChunk(hash: string): Promise<Uint8Array | null>

  /** Return lane: never mixed with configuration. */
  sendHeartbeat(heartbeat: Heartbeat): void
  onHeartbeat(listener: (heartbeat: Heartbeat) => void): Unsubscribe
  sendStatus(table: StatusTable): void
  onStatus(listener: (table: StatusTable) => void): Unsubscribe
  /** Between data planes: what each counts of the limits that they share. */
  sendLeases(report: LeaseReport): void
  onLeases(listener: (report: LeaseReport) => void): Unsubscribe
  /** To proxies: what keys with budgets have spent. */
  sendSpending(spending: Spending): void
  onSpending(listener: (spending: Spending) => void): Unsubscribe
  /**
   * At least once: resolves when one of those who store usage has stored the batch; rejects where
   * nobody does, where it did not work, and after REQUEST_DEADLINE_MS. Then it may be stored all
   * the same: send it again, under the same id.
   */
  deliverUsage(batch: UsageBatch): Promise<void>
  /** Takes a share of the batches: each goes to one of those who store. */
  onUsage(store: StoreUsage): Unsubscribe
  /** Asks every probe to send its whole table and every member to send its heartbeat, now. */
  askAround(): void
  onAsked(listener: () => void): Unsubscribe

  close(): Promise<void>
}
