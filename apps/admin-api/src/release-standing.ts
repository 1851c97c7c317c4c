import { judge, type Side, sideOf, type Verdict } from '@signalbox/control'
import {
  addCounts,
  type Heartbeat,
  isInCohort,
  isSameSide,
  type Release,
  type ReleaseCounts,
} from '@signalbox/model'
import { type Fleet } from './fleet.ts'

/** How an open release does as of now. */
export interface Standing {
  readonly verdict: Verdict
  readonly cohort: Side & { readonly proxies: number }
  readonly control: Side & { readonly proxies: number }
}

interface Told {
  readonly last: ReleaseCounts
  /** Of this member's processes before, whose counts ended with them. */
  readonly before: ReleaseCounts | undefined
}

/**
 * What proxies told of the stage that a release is in. Each instance of the admin API adds up what
 * it hears; a proxy tells its whole count each time, so that one that has just started knows as
 * much as the others within a heartbeat.
 */
export class ReleaseTallies {
  readonly #told = new Map<string, Told>()
  #of = ''

  /** Begins anew where it is another release or stage. */
  of({ id, spec }: Release): void {
    const of = `${id} ${spec.stage}`
    if (of === this.#of) return
    this.#of = of
    this.#told.clear()
  }

  end(): void {
    this.#of = ''
    this.#told.clear()
  }

  hear({ id, load }: Heartbeat): void {
    const counts = load?.release
    if (!counts || `${counts.release} ${counts.stage}` !== this.#of) return
    const key = `${counts.cohort} ${id}`
    const told = this.#told.get(key)
    // Counts only grow: fewer are those of a process that has started since.
    const anew = told !== undefined && counts.requests < told.last.requests
    const before = anew ? addCounts([told.before, told.last]) : told?.before
    this.#told.set(key, { last: counts, before })
  }

  side(cohort: boolean): Side {
    const all = [...this.#told.values()].filter(({ last }) => last.cohort === cohort)
    return sideOf(
      all.flatMap(({ last, before }) =>
        before && isSameSide(before, last) ? [last, before] : [last],
      ),
    )
  }
}

export function standingOf(release: Release, tallies: ReleaseTallies, fleet: Fleet): Standing {
  const live = fleet.members().filter((member) => member.live && member.heartbeat.role === 'proxy')
  const beats = live.map(({ heartbeat }) => heartbeat)
  const inCohort = beats.filter((one) => isInCohort(release, one))
  const sides = { cohort: tallies.side(true), control: tallies.side(false) }
  const refused = inCohort.flatMap((beat) => refusedBy(beat, release))
  return {
    verdict: judge({ ...sides, refused }, release.spec.guard),
    cohort: { ...sides.cohort, proxies: inCohort.length },
    control: { ...sides.control, proxies: beats.length - inCohort.length },
  }
}

/** What of the release a proxy that has it could not compile. */
function refusedBy({ id, load, nacks }: Heartbeat, { id: release, spec }: Release): string[] {
  const told = load?.release
  if (!told?.cohort || told.release !== release) return []
  return (
    nacks
      // A proxy of several workers may still tell what one of them refused before.
      .filter((nack) => nack.revision > spec.base)
      .filter((nack) =>
        spec.changes.some((one) => one.resource === nack.resource && one.id === nack.id),
      )
      .map((nack) => `${id}, ${nack.resource} ${nack.id}: ${nack.message}`)
  )
}

/** A release as the API answers it. What it replaced stays inside: the revision shows it. */
export function presentRelease(release: Release, standing: Standing | null) {
  const { id, spec, createdAt, updatedAt } = release
  const { state, base, stage, stageAt, guard, actor, reason = null, why = null } = spec
  const side = (one: Standing['cohort'] | undefined) =>
    one ? { proxies: one.proxies, requests: one.requests, errors: one.errors } : null
  return {
    ...{ id, state, revision: base + 1, base, stage, stageAt, actor, reason, guard },
    stages: spec.stages.map(({ below: _, ...one }) => one),
    changes: spec.changes.map(({ resource, id: of }) => ({ resource, id: of })),
    verdict: standing?.verdict ?? null,
    cohort: side(standing?.cohort),
    control: side(standing?.control),
    ...{ why, createdAt, updatedAt },
  }
}
