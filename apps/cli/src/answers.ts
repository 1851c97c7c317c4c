// What the admin API answers, as far as the commands look at it.
import { type Kind } from './kinds.ts'

export type Spec = Readonly<Record<string, unknown>>

export interface Resource {
  readonly id: string
  readonly revision: number
  readonly createdAt: string
  readonly updatedAt: string
  readonly spec: Spec
}

export interface Page<Item> {
  readonly items: readonly Item[]
  readonly nextCursor: string | null
  readonly revision: number
}

export interface PatchOperation {
  readonly op: string
  readonly path: string
  readonly value?: unknown
}

export interface Change {
  readonly resource: Kind
  readonly id: string
  readonly op: 'created' | 'updated' | 'deleted'
  readonly before: Spec | null
  readonly after: Spec | null
  readonly patch?: readonly PatchOperation[]
}

export interface Convergence {
  readonly acked: number
  readonly pending: number
  readonly nacked: number
  readonly elapsedMs: number
  readonly laggards: readonly { readonly id: string; readonly reason: string }[]
}

/** Of a write, or of its dry run. */
export interface Changed {
  readonly dryRun?: true
  readonly revision: number
  readonly changes: readonly Change[]
  readonly convergence?: Convergence
}

export interface Revision {
  readonly revision: number
  readonly at: string
  readonly actor: string
  readonly role: string
  readonly source: string
  readonly reason: string | null
  readonly requestId: string
  readonly changeRef: string | null
  readonly address: string | null
  readonly undoes: { readonly after: number; readonly through: number } | null
  readonly hash: string
  readonly previousHash: string
  readonly changes: readonly Change[]
}

export interface Member {
  readonly id: string
  readonly role: 'proxy' | 'probe'
  readonly version: string
  readonly active: number
  readonly state: string
  readonly nacks: readonly {
    readonly revision: number
    readonly resource: string
    readonly id: string
    readonly message: string
  }[]
  readonly load: { readonly inFlight: number } | null
  readonly live: boolean
  readonly lag: number
  readonly lastSeenAt: string
}

export interface FleetAnswer {
  readonly head: { readonly revision: number }
  readonly live: number
  readonly applied: number
  /** Times from the commit until proxies served it; null where none is known. */
  readonly convergence: { readonly p50Ms: number | null; readonly p99Ms: number | null }
  readonly members: readonly Member[]
}

export interface Status {
  readonly backend: string
  readonly health: string
  readonly since: string | null
  readonly checkedAt: string | null
  readonly latencyMs: number | null
  readonly error: string | null
  readonly models: readonly string[] | null
}
