import {
  emptySnapshot,
  parseSpec,
  project,
  type Draft,
  type Resource,
  type ResourceName,
  type RevisionBody,
  type RevisionMessage,
  type Snapshot,
} from '@signalbox/model'

/** Specs by id, as an operator writes them. */
export interface Given {
  readonly backends?: Readonly<Record<string, unknown>>
  readonly routes?: Readonly<Record<string, unknown>>
  readonly policies?: Readonly<Record<string, unknown>>
}

/** A snapshot at revision 7 whose resources are all at version 3 and revision 5. For tests. */
export function snapshotOf({ backends, routes, policies }: Given): Snapshot {
  return {
    head: { ...emptySnapshot('l1').head, revision: 7 },
    backends: resources('backend', backends),
    routes: resources('route', routes),
    policies: resources('policy', policies),
  }
}

function resources<Name extends ResourceName>(
  name: Name,
  specs: Readonly<Record<string, unknown>> = {},
): Map<string, Resource<Name>> {
  const at = '2026-01-01T00:00:00.000Z'
  return new Map(
    Object.entries(specs).map(([id, input]) => {
      const parsed = parseSpec(name, input)
      if (!parsed.ok) throw new Error(JSON.stringify(parsed.error))
      const times = { createdAt: at, updatedAt: at }
      return [id, { id, version: 3, revision: 5, ...times, spec: parsed.value }]
    }),
  )
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
