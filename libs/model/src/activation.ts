import { withChanges } from './layered-map.ts'
import { type Release, PLACES } from './release.ts'
import { type Resource, type ResourceName } from './resource.ts'
import { keepSealed } from './sealed.ts'
import { collection, type Snapshot, snapshotFrom } from './snapshot.ts'

/*
 * A release stages one revision: the log holds it and every proxy receives it, but only a cohort
 * activates it, stage by stage wider. The release is a resource of its own and holds, while it is
 * open, what the revision replaced. So whoever has a snapshot has both pointers, wherever it came
 * from (the bus, a disk, a worker's parent): received is the snapshot itself, active is activeFor()
 * of it. What is not staged (keys, principals, secrets, settings) applies as it is received.
 */

/** Who asks what is active. */
export interface Activating {
  readonly id: string
  readonly role: 'proxy' | 'probe'
  readonly labels: Readonly<Record<string, string>>
}

/** The release that is under way; there is never more than one. */
export function openRelease({ releases }: Pick<Snapshot, 'releases'>): Release | undefined {
  if (releases.size === 0) return undefined
  for (const one of releases.values()) if (one.spec.state === 'open') return one
  return undefined
}

/**
 * What of a snapshot is active for a member of the fleet: all of it, unless a release is open that
 * it does not take part in. Then the head is that of the base revision, by its number.
 *
 * A probe looks at what most proxies use, and at what is new as well: a bad address of a backend
 * must not be told to those that have the good one.
 */
export function activeFor(snapshot: Snapshot, member: Activating): Snapshot {
  const release = openRelease(snapshot)
  if (!release) return snapshot
  if (member.role === 'probe') return withBefore(snapshot, release, { andGone: false })
  if (isInCohort(release, member)) return snapshot
  const { head } = snapshot
  const base = withBefore(snapshot, release, { andGone: true })
  return { ...base, head: { ...head, revision: release.spec.base } }
}

/** Whether a proxy activates an open release: some stage so far names it. */
export function isInCohort(
  { id, spec }: Pick<Release, 'id' | 'spec'>,
  member: Pick<Activating, 'id' | 'labels'>,
): boolean {
  return spec.stages.slice(0, spec.stage + 1).some((one) => {
    if (one.labels) return hasAll(member.labels, one.labels)
    return placeOf(id, member.id) < (one.below ?? 0)
  })
}

/** Where the cohort of a percentage ends among the proxies that are there. */
export function placesBelow(
  release: string,
  { percent, proxies }: { readonly percent: number; readonly proxies: readonly string[] },
): number {
  const places = proxies.map((id) => placeOf(release, id)).toSorted((a, b) => a - b)
  const count = places.length
  if (count < 2) return Math.ceil((percent / 100) * PLACES)
  // One at least tries it, and one at least does not: there must be something to compare.
  const tries = Math.min(count - 1, Math.max(1, Math.round((percent / 100) * count)))
  return (places[tries - 1] ?? 0) + 1
}

/**
 * Where a proxy stands in a release: rendezvous hashing. Another release has another order, so that
 * it is not always the same proxies that go first.
 */
export function placeOf(release: string, proxy: string): number {
  let hash = 0x811c9dc5
  for (const char of `${release}\n${proxy}`) {
    hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193)
  }
  // FNV alone leaves names that end alike close to each other: the finaliser of MurmurHash3.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function hasAll(
  labelsOf: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(wanted).every(([name, value]) => labelsOf[name] === value)
}

function withBefore(
  snapshot: Snapshot,
  { spec }: Release,
  { andGone }: { readonly andGone: boolean },
): Snapshot {
  const changes = new Map<ResourceName, Map<string, Resource | null>>()
  for (const { resource, id, before = null } of spec.changes) {
    if (before === null && !andGone) continue
    const ofKind = changes.get(resource) ?? new Map<string, Resource | null>()
    const present = collection(snapshot, resource).get(id)?.spec ?? null
    // A data key travels with the present one; the release may not replace the value.
    const back = before && { ...before, spec: keepSealed(before.spec, present) ?? before.spec }
    changes.set(resource, ofKind.set(id, back))
  }
  return snapshotFrom(snapshot.head, (name) => {
    const [all, some] = [collection(snapshot, name), changes.get(name)]
    return some ? withChanges(all, some) : all
  })
}
