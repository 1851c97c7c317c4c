import {
  type ChainProblem,
  type Draft,
  type Head,
  type Intent,
  type Named,
  type Refusal,
  type Resource,
  type ResourceName,
  type Result,
  type RevisionBody,
  type RevisionMessage,
  type Snapshot,
  type Spec,
} from '@signalbox/model'
import { type Concern } from './concerning.ts'
import { type Between, type Past } from './past.ts'
import { type RequestStore } from './requests.ts'
import { type TransitionStore } from './transitions.ts'
import { type Visit } from './whole.ts'

/**
 * Postgres did not answer, or not in time. Nothing was written, unless the message says that the
 * outcome is unknown (the connection was lost during the commit). The admin API answers 503.
 */
export class DatabaseUnavailable extends Error {
  override readonly name = 'DatabaseUnavailable'
}

/** An HTTP answer as it is remembered under an Idempotency-Key and given again byte for byte. */
export interface StoredAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface Committed {
  readonly message: RevisionMessage
  readonly body: RevisionBody
  /**
   * The state before and after this revision: small collections whole, of a large one what the
   * decision looked at.
   */
  readonly before: Snapshot
  readonly after: Snapshot
}

/** What a repeated call is known by. */
export interface RequestKey {
  readonly key: string
  readonly requestHash: string
  /** What the hash of the same request would have been under a former key. */
  readonly formerHashes?: readonly string[]
}

/** An answer that is kept for a repeated call. */
export interface KeptAnswer {
  readonly key: string
  readonly body: string
}

/** A page of what is sealed in the state. */
export interface SealedPage {
  readonly resource: 'secret' | 'backend'
  /** Behind this id; all ids are behind the empty one. */
  readonly after: string
  readonly limit: number
}

export interface SealedRow {
  readonly resource: 'secret' | 'backend'
  readonly id: string
  readonly sealed: string
  /** The data key of an envelope; null: it is of the older form, or has lost it. */
  readonly wrapped: string | null
}

export interface KeptAnswersPage {
  /** Behind this key; all keys are behind the empty one. */
  readonly after: string
  readonly limit: number
}

/** A part of what was changed: of these kinds, or these alone. */
export interface Only {
  readonly kinds?: readonly ResourceName[]
  readonly named?: readonly Named[]
}

export interface WriteRequest {
  readonly intent: Intent
  readonly idempotency: RequestKey | null
  readonly dryRun: boolean
  /**
   * Pure. Runs with the log locked, on the state that the lock froze; also where it is compiled.
   * Runs again where it looks at what is not in memory; the last run counts. `past`: where the
   * intent undoes something, how things were.
   */
  readonly decide: (snapshot: Snapshot, past: Past | null) => Result<readonly Draft[], Refusal>
  /** Pure, as decide(): why what was decided may not be, each asked in a turn of its own. */
  readonly checks?: readonly Check[]
  /** Of what was changed since `intent.undoesAfter`: what may be brought back. All by default. */
  readonly undoes?: Only
  /** What it will look at, as far as that is known: it saves a run. */
  readonly looksAt?: readonly Named[]
  /**
   * Wrapped data keys by their ids, read when all is decided: those of what the drafts seal are
   * kept in the same transaction. What a draft seals under a key that is neither here nor kept
   * already is refused as `secret_shredded`.
   */
  readonly dataKeys?: ReadonlyMap<string, string>
  /**
   * Pure. Presents what was committed (null: the drafts were empty, nothing changes). Sees of large
   * collections what the decision looked at.
   */
  readonly present: (committed: Committed | null, snapshot: Snapshot) => StoredAnswer
}

export type Check = (seen: Snapshot, drafts: readonly Draft[]) => Refusal | undefined

export type WriteOutcome =
  | { readonly kind: 'committed'; readonly answer: StoredAnswer; readonly revision: number }
  /** The same Idempotency-Key and body as before: the answer of then. */
  | { readonly kind: 'replayed'; readonly answer: StoredAnswer; readonly revision: number }
  /** Nothing to change, or a dry run: no revision was made. */
  | { readonly kind: 'unchanged'; readonly answer: StoredAnswer; readonly revision: number }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

/** One change of one resource inside a revision, with the spec before and after. */
export interface RevisionChange {
  readonly resource: ResourceName
  readonly id: string
  readonly op: 'created' | 'updated' | 'deleted'
  readonly before: Spec | null
  readonly after: Spec | null
}

export interface RevisionRecord {
  readonly body: RevisionBody
  readonly hash: string
  readonly previousHash: string
  readonly changes: readonly RevisionChange[]
}

export interface RevisionFilter {
  /** Newest first; strictly older than this revision where given. */
  readonly before?: number
  readonly limit: number
  readonly actor?: string
  readonly resource?: ResourceName
  readonly id?: string
  /** Committed at or after, and at or before. */
  readonly from?: Date
  readonly to?: Date
}

/** Why a new epoch is begun. */
export type EpochCause =
  /** An operator says so, and why. */
  | { readonly kind: 'asked'; readonly intent: Intent }
  /** Somebody has applied this revision of this very log. */
  | { readonly kind: 'seen'; readonly head: Pick<Head, 'lineage' | 'epoch' | 'revision'> | null }

/** A signed note about the log's end at a revision. */
export interface KeptCheckpoint {
  readonly revision: number
  /** RFC 3339, UTC. */
  readonly at: string
  readonly note: string
}

/** A call that was refused: who, whence, what, and why; never a body. */
export interface Denial {
  /** RFC 3339, UTC. */
  readonly at: string
  /** Null: not known. */
  readonly actor: string | null
  readonly role: string | null
  readonly address: string | null
  readonly method: string
  readonly path: string
  readonly status: number
  readonly code: string
  readonly requestId: string
}
export type DenialRecord = Denial & { readonly id: number }

/** A part of a list that is sorted by id. */
export interface Part {
  /** Behind this id; all ids are behind the empty one. */
  readonly after?: string
  /** Where absent, all of them. */
  readonly limit?: number
}

export interface PageQuery {
  /** Behind this id. */
  readonly after?: string
  readonly limit: number
  /** As it was at this revision; now where it is not given. */
  readonly asOf?: number
  /** A part of the id, whatever its case. */
  readonly q?: string
  readonly kind?: string
  /** Resources with this label, and this value of it where one is given. */
  readonly label?: { readonly name: string; readonly value?: string }
}

export interface Page<Name extends ResourceName = ResourceName> {
  /** Of which state this is a part. */
  readonly revision: number
  /** Sorted by id. */
  readonly items: readonly Resource<Name>[]
  readonly more: boolean
}

/** The log and its read models. Rejects with DatabaseUnavailable; everything else is a value. */
export interface Store {
  /** Records of requests: no part of the log, on connections of their own. */
  readonly requests: RequestStore
  /** When backends changed sides; beside the log as well. */
  readonly transitions: TransitionStore
  /** Where the log ends now. */
  head(): Promise<Head>
  /** One command in one transaction: lock, load, decide, append, project, remember, commit. */
  write(request: WriteRequest): Promise<WriteOutcome>
  /**
   * All desired state now, or as it was at a revision (0 = empty; beyond the head = null); of the
   * kinds in `only` alone, where it is given.
   */
  snapshot(asOf?: number, only?: readonly ResourceName[]): Promise<Snapshot | null>
  /**
   * Of the state now, or at a revision, what requests for some models depend on, and of keys those
   * that are named; `discovered`: backends that are known to serve one of the models. Null where
   * the log does not reach so far.
   */
  concerning(
    concern: Concern & { readonly discovered: readonly string[] },
    asOf?: number,
  ): Promise<Snapshot | null>
  /** The newest revision committed at or before a time (0 where there was none). */
  revisionAt(time: Date): Promise<number>
  /** As it is now, or was at a revision; null where it is not, or the log does not reach so far. */
  resource<Name extends ResourceName>(
    name: Name,
    id: string,
    asOf?: number,
  ): Promise<Resource<Name> | null>
  /** The ids of a kind as they are now, sorted, and of which state they are. */
  ids(
    name: ResourceName,
    part?: Part,
  ): Promise<{ readonly revision: number; readonly ids: readonly string[] }>
  /**
   * The states at two revisions (the second: now, where it is not given), each only with what was
   * changed between them; null where the log does not reach so far.
   */
  between(from: number, to?: number): Promise<Between | 'too many' | null>
  /** One page of a collection; null where the log does not reach to `asOf`. */
  page<Name extends ResourceName>(name: Name, query: PageQuery): Promise<Page<Name> | null>
  revisions(filter: RevisionFilter): Promise<readonly RevisionRecord[]>
  revision(revision: number): Promise<RevisionRecord | null>
  /**
   * The log in order, as it is published: at most `limit` messages after a revision, fewer where
   * they are large.
   */
  messagesAfter(revision: number, limit: number): Promise<readonly RevisionMessage[]>
  /** The same, each with the data keys of what is sealed in it: for the bus alone. */
  toPublish(revision: number, limit: number): Promise<readonly RevisionMessage[]>
  /**
   * Shows all resources as they are now, with the data keys of what is sealed in them: for the bus
   * alone. Kind by kind, sorted by id, a page at a time; answers of which state they are.
   */
  visitToPublish(visit: Visit): Promise<Head>
  /** The same at once: for small logs. */
  snapshotToPublish(): Promise<Snapshot>
  /** Sorted by id. */
  sealed(page: SealedPage): Promise<readonly SealedRow[]>
  /**
   * Reads the whole log in one state of the database, each revision once, until `each` says false;
   * answers where what is derived from it is not what its bytes give.
   */
  readWhole(each: (message: RevisionMessage) => boolean): Promise<readonly ChainProblem[]>
  keepCheckpoint(checkpoint: KeptCheckpoint): Promise<void>
  /** The newest ones, newest first. */
  checkpoints(limit: number): Promise<readonly KeptCheckpoint[]>
  recordDenials(denials: readonly Denial[]): Promise<void>
  /** Newest first; strictly older than the row `before` where given. */
  denials(page: {
    readonly before: number | null
    readonly limit: number
  }): Promise<readonly DenialRecord[]>
  /** A page of the kept answers whose bodies begin so, sorted by key. */
  keptAnswers(prefix: string, page: KeptAnswersPage): Promise<readonly KeptAnswer[]>
  /** Gives a kept answer other bytes that mean the same; nothing where it has changed or gone. */
  replaceAnswer(answer: KeptAnswer, body: string): Promise<void>
  /** All principals as they are now. */
  principals(): Promise<readonly Resource<'principal'>[]>
  /** Notes when principals were last seen, by id; an earlier time changes nothing. */
  noteUses(uses: ReadonlyMap<string, Date>): Promise<void>
  /** When principals were last seen, sorted by their ids. */
  lastUses(part?: Part): Promise<ReadonlyMap<string, Date>>
  /**
   * Begins a new epoch where the log may have lost its tail: its Postgres is another one than it
   * was, or somebody has seen a revision that it does not have; or where an operator asks for it.
   * The epoch's first revision is empty. Answers why it was begun; null: nothing was to be done.
   */
  keepEpoch(cause: EpochCause): Promise<string | null>
  /** Calls when the log may have grown (NOTIFY, or a commit here). A hint: poll as well. */
  onAppend(listener: () => void): () => void
  /** Whether Postgres answers now, within a second. */
  alive(): Promise<boolean>
  close(): Promise<void>
}
