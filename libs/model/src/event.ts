import { type ResourceName, type Spec } from './resource.ts'
import { type Role } from './role.ts'
import { type DataKeys } from './sealed.ts'

export type ChangeOp = 'created' | 'updated' | 'deleted'

/** One fact: the full new spec of one resource (`null` once deleted). Never a patch. */
export interface Event {
  /** Dense number over all events of the log, from 1. */
  readonly position: number
  readonly type: `${ResourceName}.${ChangeOp}`
  readonly resource: ResourceName
  readonly id: string
  readonly version: number
  /** Version of the spec's schema; older ones are upcast on reading. */
  readonly schema: number
  readonly spec: Spec | null
}

/** What decide() answers: an event before the log has numbered it. */
export type Draft = Omit<Event, 'position' | 'schema'>

/**
 * 2: secrets, labels of all that people make, more settings. 3: releases, more of policies.
 * 4: idle connections of backends, where these may be, and the kind `ollama-native`.
 */
export const EVENT_SCHEMA = 4

export const SOURCES = ['api', 'cli', 'console', 'import', 'rollback', 'system'] as const
export type Source = (typeof SOURCES)[number]

/** Who calls the admin API. */
export interface Actor {
  readonly id: string
  readonly role: Role
}

/** Who, why and from where: said by the caller, recorded with the revision. */
export interface Intent {
  readonly actor: Actor
  readonly source: Source
  readonly reason: string | null
  readonly requestId: string
  readonly changeRef: string | null
  /** Client address as the admin API saw it; null for the system itself. */
  readonly address: string | null
  /** A rollback: the state after this revision is what comes back. */
  readonly undoesAfter?: number
}

/** The facts of one committed change. Its canonical JSON is what is hashed, stored and shipped. */
export interface RevisionBody {
  readonly v: 1
  readonly fleet: string
  readonly lineage: string
  readonly epoch: number
  readonly revision: number
  /** RFC 3339, UTC, milliseconds. Informational: order is by revision alone. */
  readonly at: string
  readonly actor: string
  readonly role: Role
  readonly source: Source
  readonly reason: string | null
  readonly requestId: string
  readonly changeRef: string | null
  readonly address: string | null
  /** A rollback: what the revisions behind `after`, up to `through`, did is undone by this one. */
  readonly undoes?: { readonly after: number; readonly through: number }
  readonly events: readonly Event[]
}

/** One revision as it travels: the canonical bytes and their place in the hash chain. */
export interface RevisionMessage {
  readonly lineage: string
  readonly epoch: number
  readonly revision: number
  /** Lower-case hex SHA-256. */
  readonly previousHash: string
  readonly hash: string
  /** canonicalJson(RevisionBody), to the byte. */
  readonly body: string
  /**
   * What opens what is sealed in it, as far as that was not deleted when this was published. No
   * part of what is hashed: it is wrapped anew, and deleted, while the body stays what it is.
   */
  readonly dataKeys?: DataKeys
}

/** The place of a log's end: what is published, received or applied "up to". */
export interface Head {
  readonly lineage: string
  readonly epoch: number
  readonly revision: number
  readonly hash: string
}

/** Hash before the first revision. */
export const GENESIS_HASH = '0'.repeat(64)
