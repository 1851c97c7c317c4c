import {
  type Head,
  type Resource,
  type ResourceName,
  type RevisionBody,
  type RevisionMessage,
  type Snapshot,
  snapshotFrom,
  type Spec,
  upcastSpec,
} from '@signalbox/model'

export interface HeadRow {
  readonly lineage: string
  readonly epoch: string
  readonly revision: string
  readonly position: string
  readonly hash: Buffer
}

export interface RevisionRow {
  readonly epoch: string
  readonly revision: string
  readonly body: Buffer
  readonly previous_hash: Buffer
  readonly hash: Buffer
}

export interface ResourceRow {
  readonly resource: ResourceName
  readonly id: string
  readonly version: string
  readonly revision: string
  readonly created_at: Date
  readonly updated_at: Date
  /** Of the shapes that the spec was written in. */
  readonly schema: number
  readonly spec: Spec
}

export function headOf(row: Omit<HeadRow, 'position'>): Head {
  const { lineage } = row
  const hash = row.hash.toString('hex')
  return { lineage, epoch: Number(row.epoch), revision: Number(row.revision), hash }
}

export function messageOf(row: RevisionRow, lineage: string): RevisionMessage {
  return {
    lineage,
    epoch: Number(row.epoch),
    revision: Number(row.revision),
    previousHash: row.previous_hash.toString('hex'),
    hash: row.hash.toString('hex'),
    body: row.body.toString('utf8'),
  }
}

/** As it was written. The bytes were made by us and hashed: parsing them is not a border. */
export function bodyOf(message: { readonly body: string }): RevisionBody {
  return JSON.parse(message.body) as RevisionBody
}

export function resourceOf(row: ResourceRow): Resource {
  return {
    id: row.id,
    version: Number(row.version),
    revision: Number(row.revision),
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
    spec: upcastSpec(row.resource, row.spec, row.schema),
  }
}

export function snapshotOf(head: Head, rows: readonly ResourceRow[]): Snapshot {
  const byName = Map.groupBy(rows, (row) => row.resource)
  return snapshotFrom(
    head,
    (name) => new Map(byName.get(name)?.map((row) => [row.id, resourceOf(row)])),
  )
}
