import {
  type Head,
  type Resource,
  type ResourceName,
  RESOURCES,
  type Snapshot,
  snapshotFrom,
} from '@signalbox/model'
import { HOLDERS, withKeys } from './data-keys.ts'
import { inReadTransaction } from './database.ts'
import { PAGE, readHeadOf, ROWS, type Source } from './read.ts'
import { resourceOf, type ResourceRow } from './rows.ts'

/** Some resources of one kind, which follow those before them. */
export type Visit = (name: ResourceName, resources: readonly Resource[]) => Promise<void>

/**
 * Shows all resources as followers have them, with the data keys of what is sealed in them: kind by
 * kind, sorted by id, a page at a time. Answers of which state they are. Holds one page; the next
 * one is read when the visit is over.
 */
export async function visitToPublish({ pool, fleet }: Source, visit: Visit): Promise<Head> {
  return inReadTransaction(pool, async (client) => {
    const head = await readHeadOf(client, fleet)
    for (const name of RESOURCES) {
      for (let after: string | undefined = ''; after !== undefined;) {
        const values: readonly unknown[] = [fleet, name, after, ROWS]
        const { rows } = await client.query<ResourceRow>(PAGE, [...values])
        const page: readonly Resource[] = rows.map(resourceOf)
        const whole = HOLDERS.includes(name) ? await withKeys(client, fleet, page) : page
        if (whole.length > 0) await visit(name, whole)
        after = page.length === ROWS ? page.at(-1)?.id : undefined
      }
    }
    return head
  })
}

/** The same at once. */
export async function readSnapshotToPublish(source: Source): Promise<Snapshot> {
  const all = new Map<ResourceName, Map<string, Resource>>()
  const head = await visitToPublish(source, (name, resources) => {
    const some = all.get(name) ?? new Map<string, Resource>()
    all.set(name, some)
    for (const resource of resources) some.set(resource.id, resource)
    return Promise.resolve()
  })
  return snapshotFrom(head, (name) => all.get(name) ?? new Map())
}
