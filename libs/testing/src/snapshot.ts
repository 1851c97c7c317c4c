import {
  DEFINITIONS,
  emptySnapshot,
  parseSpec,
  type PluralOf,
  type Resource,
  type ResourceName,
  type Snapshot,
  snapshotFrom,
} from '@signalbox/model'

/** Specs by id, as an operator writes them. */
export type GivenSpecs = {
  readonly [Name in ResourceName as PluralOf<Name>]?: Readonly<Record<string, unknown>>
}

const AT = '2026-01-01T00:00:00.000Z'

/** A snapshot of these specs; the head's revision, and the resources' versions and revisions. */
export function snapshotOfSpecs(
  given: GivenSpecs,
  { head = 0, version = 1, revision = 1 } = {},
): Snapshot {
  const resourceOf = (name: ResourceName, [id, input]: readonly [string, unknown]): Resource => {
    const parsed = parseSpec(name, input)
    if (!parsed.ok) throw new Error(`${name} ${id}: ${JSON.stringify(parsed.error)}`)
    return { id, version, revision, createdAt: AT, updatedAt: AT, spec: parsed.value }
  }
  return snapshotFrom({ ...emptySnapshot('l1').head, revision: head }, (name) => {
    const specs = Object.entries(given[DEFINITIONS[name].plural] ?? {})
    return new Map(specs.map((entry) => [entry[0], resourceOf(name, entry)]))
  })
}
