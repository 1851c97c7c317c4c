import {
  collection,
  type Draft,
  dataKeyOf,
  err,
  keepSealed,
  openRelease,
  ok,
  placesBelow,
  refuse,
  sealedTextOf,
  type Refusal,
  type Release,
  type ReleasePlan,
  type ReleaseSpec,
  type Result,
  type Snapshot,
  STAGED,
  STAGED_CHANGES_MAX,
} from '@signalbox/model'
import { disownDeleted, withoutLosses } from './membership.ts'
import { checkReferences } from './references.ts'
import { trimPrompts } from './referring.ts'
import { draftsOf, openView, type View } from './view.ts'

/*
 * A release goes one way:
 *
 *     open, stage 0 -> open, stage 1 -> ... -> promoted      (all proxies activate it)
 *         \________________\______________-> rolled-back     (what it replaced comes back)
 *
 * Each step is one revision, so that proxies, restarts and other instances of the admin API see the
 * same, and two that take the same step make it once: a step names the stage that it starts from.
 * While a release is open nothing that it could stage is changed by anybody else.
 */

/** Releases that have ended and are still listed. The log has them all. */
export const RELEASES_KEPT = 50

type Decided = Result<readonly Draft[], Refusal>

export interface Starting {
  readonly plan: ReleasePlan
  readonly actor: string
  readonly reason: string | null
  /** RFC 3339, UTC. */
  readonly at: string
  /** Ids of the proxies that are live. */
  readonly proxies: readonly string[]
}

/** The changes that were decided, as a release: with what they replace, its first stage begun. */
export function decideStart(now: Snapshot, drafts: readonly Draft[], starting: Starting): Decided {
  const open = openRelease(now)
  if (open) return err(stillOpen(open))
  const { plan, actor, reason, at, proxies } = starting
  const refusal = notStaged(drafts) ?? shredding(now, drafts) ?? ofNobody(plan.stages[0], proxies)
  if (refusal) return err(refusal)
  const base = now.head.revision
  const id = `release-${base + 1}`
  const spec: ReleaseSpec = begun(
    {
      state: 'open',
      base,
      stages: [...plan.stages],
      guard: plan.guard,
      stage: 0,
      stageAt: at,
      actor,
      ...(reason === null ? {} : { reason }),
      changes: drafts.map(({ resource, id: of }) => ({
        resource: resource as (typeof STAGED)[number],
        id: of,
        before: collection(now, resource).get(of) ?? null,
      })),
    },
    { id, proxies },
  )
  const created = { type: 'release.created', resource: 'release', id, version: 1, spec } as const
  return ok([...drafts, created, ...forgotten(now)])
}

function notStaged(drafts: readonly Draft[]): Refusal | undefined {
  if (drafts.length === 0) return refuse('validation_failed', 'the release would change nothing')
  const staged: readonly string[] = STAGED
  const other = drafts.find(({ resource }) => !staged.includes(resource))
  if (other) {
    const message = `a ${other.resource} is not staged: it applies at once; change it by itself`
    return refuse('validation_failed', message)
  }
  if (drafts.length <= STAGED_CHANGES_MAX) return undefined
  return refuse('admin_body_too_large', `a release has at most ${STAGED_CHANGES_MAX} changes`)
}

/**
 * A value that is replaced or deleted is shredded at once: nothing could bring it back, and the
 * proxies outside the cohort could not open it. A secret that is referred to stays where it is.
 */
function shredding(now: Snapshot, drafts: readonly Draft[]): Refusal | undefined {
  const shredded = drafts.find(({ resource, id, spec }) => {
    const before = collection(now, resource).get(id)?.spec ?? null
    const sealed = sealedTextOf(before)
    if (before === null || sealed === undefined || dataKeyOf(sealed) === undefined) return false
    // The same value is taken over from the present one, however it was sealed anew.
    return sealedTextOf(keepSealed(before, spec)) !== sealedTextOf(spec)
  })
  if (!shredded) return undefined
  const { resource, id } = shredded
  const what = `the credential of ${resource} ${id} would be gone for ever, also for a rollback`
  const way = 'give it a secret that it refers to before, or change it by itself'
  return refuse('validation_failed', `${what}: ${way}`)
}

/** The oldest of those that have ended, where there are many. */
function forgotten(now: Snapshot): readonly Draft[] {
  const ended = [...now.releases.values()].toSorted((a, b) => a.spec.base - b.spec.base)
  return ended.slice(0, Math.max(0, ended.length + 1 - RELEASES_KEPT)).map(({ id, version }) => {
    const deleted = { type: 'release.deleted', resource: 'release', id } as const
    return { ...deleted, version: version + 1, spec: null }
  })
}

/** Which release, and the stage that the caller saw it in. */
export interface AtStage {
  readonly id: string
  /** Null: whichever it is in. */
  readonly stage: number | null
}

export interface Advancing extends AtStage {
  /** To the end, whatever stages are left. */
  readonly full: boolean
  readonly why: string
  readonly at: string
  readonly proxies: readonly string[]
}

/** The next stage; after the last one all proxies activate it. No draft where it has moved on. */
export function decideAdvance(now: Snapshot, advancing: Advancing): Decided {
  const { full, why } = advancing
  const found = atStage(now, advancing)
  if (!found.ok) return found
  const release = found.value
  if (!release) return ok([])
  const { spec, id } = release
  const stage = spec.stage + 1
  if (full || stage >= spec.stages.length) return ok([ended(release, { state: 'promoted', why })])
  const { at, proxies } = advancing
  const refusal = ofNobody(spec.stages[stage], proxies)
  if (refusal) return err(refusal)
  return ok([updated(release, begun({ ...spec, stage, stageAt: at }, { id, proxies }))])
}

/** What it replaced comes back, for everybody. No draft where it has moved on. */
export function decideUndo(now: Snapshot, undoing: AtStage & { readonly why: string }): Decided {
  const found = atStage(now, undoing)
  if (!found.ok) return found
  const release = found.value
  if (!release) return ok([])
  const view = baseView(now, release)
  // A set that comes back may name a secret or a key that was deleted meanwhile.
  disownDeleted(view)
  const broken = checkReferences(view)
  if (broken) return err(broken.refusal)
  return ok([...draftsOf(view), ended(release, { state: 'rolled-back', why: undoing.why })])
}

/**
 * Why a change may not be made while a release is open: it would change what is staged, or what the
 * proxies outside the cohort, and a rollback, count on.
 */
export function whileOpen(now: Snapshot, drafts: readonly Draft[]): Refusal | undefined {
  const release = openRelease(now)
  if (!release) return undefined
  const staged: readonly string[] = STAGED
  // That a set loses what is deleted is of no concern to any proxy.
  const looked = withoutLosses(now, drafts)
  if (looked.some(({ resource }) => staged.includes(resource))) return stillOpen(release)
  const counted = drafts.some(({ resource }) => resource === 'secret' || resource === 'settings')
  if (!counted) return undefined
  const view = baseView(now, release)
  for (const { resource, id, spec } of drafts) view.pending[resource].set(id, { spec, command: 0 })
  const broken = checkReferences(view)
  if (!broken) return undefined
  const why = `without ${release.id} it would not hold together: ${broken.refusal.message}`
  return refuse('release_open', why)
}

/** The state with what the release replaced laid over it. */
function baseView(now: Snapshot, { spec }: Release): View {
  const view = openView(now)
  for (const { resource, id, before } of spec.changes) {
    const present = collection(now, resource).get(id)?.spec ?? null
    const back = keepSealed(before?.spec ?? null, present)
    view.pending[resource].set(id, { spec: back, command: 0 })
  }
  trimPrompts(view, { whole: true })
  return view
}

function stillOpen({ id, spec }: Release): Refusal {
  const stage = `stage ${spec.stage + 1} of ${spec.stages.length}`
  const ways = `signalbox release promote ${id} --full, or signalbox release rollback ${id}`
  return refuse('release_open', `${id} is open (${stage}), and nothing else is staged: ${ways}`)
}

/** Undefined where it is open, but has left the stage that the caller saw. */
function atStage(now: Snapshot, { id, stage }: AtStage): Result<Release | undefined, Refusal> {
  const release = now.releases.get(id)
  if (!release) return err(refuse('not_found', `release ${id} does not exist`))
  const { state } = release.spec
  // Who saw a stage is told nothing wrong where another was faster.
  if (stage !== null)
    return ok(state === 'open' && release.spec.stage === stage ? release : undefined)
  if (state === 'open') return ok(release)
  return err(refuse('release_ended', `${id} was ${state.replace('-', ' ')} already`))
}

/** A share of proxies that are not known could be all of them, or none. */
function ofNobody(
  stage: { readonly percent?: number | undefined } | undefined,
  proxies: readonly string[],
): Refusal | undefined {
  if (stage?.percent === undefined || proxies.length > 0) return undefined
  return refuse(
    'validation_failed',
    'no live proxy is known here, so a share of them has no bound; wait for their heartbeats',
  )
}

/** With the cohort of its stage told among the proxies that are live. */
function begun(
  spec: ReleaseSpec,
  { id, proxies }: { readonly id: string; readonly proxies: readonly string[] },
): ReleaseSpec {
  const stages = spec.stages.map((one, index) => {
    if (index !== spec.stage || one.percent === undefined) return one
    return { ...one, below: placesBelow(id, { percent: one.percent, proxies }) }
  })
  // Proxies that left since must not shrink it: who has activated it keeps it.
  const widest = Math.max(0, ...stages.flatMap(({ below }) => below ?? []))
  return {
    ...spec,
    stages: stages.map((one, index) =>
      index === spec.stage && one.below !== undefined ? { ...one, below: widest } : one,
    ),
  }
}

function ended(
  release: Release,
  { state, why }: Pick<ReleaseSpec, 'state'> & { readonly why: string },
): Draft {
  const changes = release.spec.changes.map(({ resource, id }) => ({ resource, id }))
  return updated(release, { ...release.spec, state, why, changes })
}

function updated({ id, version }: Release, spec: ReleaseSpec): Draft {
  return { type: 'release.updated', resource: 'release', id, version: version + 1, spec }
}
