import { sha256 } from '@signalbox/host'
import {
  canonicalJson,
  chainHash,
  emptySnapshot,
  EVENT_SCHEMA,
  type Event,
  GENESIS_HASH,
  type Head,
  parseSpec,
  project,
  type RevisionBody,
  type RevisionMessage,
  type Snapshot,
} from '@signalbox/model'

/** A log in memory for tests: real bodies, real hashes, any number of histories. */
export class TestLog {
  readonly lineage: string
  readonly messages: RevisionMessage[] = []
  /** snapshots[n] is all state at revision n. */
  readonly snapshots: Snapshot[]
  epoch: number

  constructor(lineage = 'lineage-1', epoch = 1) {
    this.lineage = lineage
    this.epoch = epoch
    this.snapshots = [emptySnapshot(lineage)]
  }

  get head(): Head {
    const last = this.messages.at(-1)
    const { lineage, epoch } = this
    if (!last) return { lineage, epoch, revision: 0, hash: GENESIS_HASH }
    return { lineage, epoch: last.epoch, revision: last.revision, hash: last.hash }
  }

  get state(): Snapshot {
    return this.at(this.head.revision)
  }

  at(revision: number): Snapshot {
    const snapshot = this.snapshots[revision]
    if (!snapshot) throw new Error(`the log has no revision ${revision}`)
    return snapshot
  }

  message(revision: number): RevisionMessage {
    const message = this.messages[revision - 1]
    if (!message) throw new Error(`the log has no revision ${revision}`)
    return message
  }

  /** Commits one change of one backend; `schema` other than ours is one that nobody understands. */
  append({ id = 'b', weight = 1, schema = EVENT_SCHEMA, strange = false } = {}): RevisionMessage {
    const revision = this.messages.length + 1
    const { lineage, epoch } = this
    const backend = backendEvent({ id, weight, schema, version: revision })
    const event = strange ? { ...backend, resource: 'gizmo' as 'backend' } : backend
    const body = canonicalJson(bodyOf({ lineage, epoch, revision, events: [event] }))
    const link = { previousHash: this.head.hash, epoch, revision, body }
    const message = { ...link, lineage, hash: chainHash(link, sha256) }
    const { hash } = message
    const next = strange
      ? { ...this.state, head: { lineage, epoch, revision, hash } }
      : project(this.state, message, JSON.parse(body) as RevisionBody)
    this.snapshots.push(next)
    this.messages.push(message)
    return message
  }

  appendMany(count: number): this {
    for (let i = 0; i < count; i++) {
      const { length } = this.messages
      // What another epoch makes of the same revision is something else.
      const weight = ((length + (this.epoch - 1) * 3) % 7) + 1
      this.append({ id: `b${length % 3}`, weight })
    }
    return this
  }

  /** What a fail-over leaves that lost everything after `revision`: the same log in a new epoch. */
  failOver(revision: number, epoch = this.epoch + 1): TestLog {
    const next = new TestLog(this.lineage, epoch)
    next.messages.push(...this.messages.slice(0, revision))
    next.snapshots.push(...this.snapshots.slice(1, revision + 1))
    return next
  }
}

function bodyOf(
  facts: Pick<RevisionBody, 'lineage' | 'epoch' | 'revision' | 'events'>,
): RevisionBody {
  return {
    v: 1,
    fleet: 'test',
    at: '2026-01-01T00:00:00.000Z',
    actor: 'test',
    role: 'operator',
    source: 'api',
    reason: null,
    requestId: 'r',
    changeRef: null,
    address: null,
    ...facts,
  }
}

interface BackendFacts {
  readonly id: string
  readonly weight: number
  readonly schema: number
  readonly version: number
}

function backendEvent({ id, weight, schema, version }: BackendFacts): Event {
  const spec = parseSpec('backend', { kind: 'vllm', url: 'http://127.0.0.1:8000', weight })
  if (!spec.ok) throw new Error(JSON.stringify(spec.error))
  return {
    position: version,
    type: 'backend.updated',
    resource: 'backend',
    id,
    version,
    schema,
    spec: spec.value,
  }
}
