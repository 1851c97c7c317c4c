import { createHmac } from 'node:crypto'
import {
  type ApplyOptions,
  type Command,
  CONFIG_RESOURCES,
  type ConfigDocument,
  decide,
  decideAll,
  decideConfig,
  movedHead,
} from '@signalbox/control'
import { type Clock, type Log } from '@signalbox/host'
import {
  collection,
  DEFINITIONS,
  type Draft,
  err,
  type Named,
  type Refusal,
  type Resource,
  type ResourceName,
  type Snapshot,
} from '@signalbox/model'
import {
  type Between,
  type Check,
  type Committed,
  type Concern,
  DatabaseUnavailable,
  type Only,
  type RequestKey,
  type Store,
  type StoredAnswer,
} from '@signalbox/store'
import { checksFor, type Decide } from './check.ts'
import { type AdminConfig } from './config.ts'
import { type Spreads } from './convergence.ts'
import { type Convergence, type Fleet, type LogEnd } from './fleet.ts'
import { presentChange, presentResource } from './masking.ts'
import { KeptAnswers } from './kept-answers.ts'
import { Refused, refused } from './refused.ts'
import { parseTime, type WriteOptions } from './request.ts'
import { Resealing } from './resealing.ts'
import { type NewDataKeys, Sealing } from './sealing.ts'
import { type Statuses } from './statuses.ts'
import { survey } from './survey.ts'
import { hashOf, type Identity, type Issued, newToken, withToken } from './tokens.ts'

export interface ServiceDeps {
  readonly config: AdminConfig
  readonly store: Store
  readonly fleet: Fleet
  readonly spreads: Spreads
  readonly statuses: Statuses
  readonly clock: Clock
  readonly log: Log
}

export interface Answer extends StoredAnswer {
  /** Of the change, or where the log ended when nothing changed. */
  readonly revision: number
  readonly convergence?: Convergence
}

interface ChangeOptions extends WriteOptions {
  readonly undoes?: Only
  /** What the decision will look at, as far as it is known. */
  readonly looksAt?: readonly Named[]
  /** Of what the change seals: for the store to keep. */
  readonly dataKeys?: NewDataKeys
  /** In place of the usual ones. */
  readonly checks?: readonly Check[]
}

const NO_LOG = { lineage: '', epoch: 0 }

/** How a committed change is answered; the store remembers it under the Idempotency-Key. */
export type Present = (committed: Committed | null, snapshot: Snapshot) => StoredAnswer

/**
 * The one write path: seal, decide, check, append, answer, wait. And the reads that need a state.
 */
export class AdminService {
  readonly deps: ServiceDeps
  readonly #sealing: Sealing
  readonly #resealing: Resealing
  readonly #answers: KeptAnswers

  constructor(deps: ServiceDeps) {
    this.deps = deps
    this.#sealing = new Sealing(deps.config)
    this.#resealing = new Resealing(deps.config)
    this.#answers = new KeptAnswers(deps.config, deps.store)
  }

  /** Changes resources, one or several. */
  async run(
    commands: readonly Command[],
    options: WriteOptions,
    present: Present,
  ): Promise<Answer> {
    const { several = false } = options
    const issued: Issued[] = []
    const dataKeys: NewDataKeys = new Map()
    const ready = commands.map((given, index) => {
      const at = several ? `operations.${index}.` : ''
      const { command, issued: one } = withToken(given, at)
      if (one) issued.push(one)
      return this.#sealing.command(command, at, dataKeys)
    })
    const [only] = ready
    const decided: Decide =
      only && !several ? (now) => decide(only, now) : (now) => decideAll(ready, now)
    const looksAt = ready.map(({ resource, id }) => ({ resource, id: String(id) }))
    const whole = options.around?.(decided) ?? decided
    const how = { ...options, looksAt, dataKeys }
    return this.change(whole, how, this.#showing(issued, options, present))
  }

  /** Gives a key or a principal a new token; the former one is good for `overlapMs` more. */
  async rotate(
    { resource, id }: { readonly resource: Identity; readonly id: string },
    overlapMs: number,
    options: WriteOptions,
  ): Promise<Answer> {
    const { token, hash } = newToken(resource)
    const until = new Date(this.deps.clock.nowMs() + overlapMs).toISOString()
    const decided: Decide = (now) => {
      const former = collection(now, resource).get(id)?.spec.hash
      const previous = former !== undefined && overlapMs > 0 ? { hash: former, until } : null
      const { ifMatch } = options
      return decide(
        { op: 'patch', resource, id, patch: { hash, previous }, ifMatch, rotates: true },
        now,
      )
    }
    const present = presentWritten(resource, () => id)
    const showing = this.#showing([{ resource, id, token }], options, present)
    return this.change(decided, options, showing)
  }

  /**
   * Adds the tokens that came to be used to the answer: the only time that they are seen. Where the
   * answer is kept for a repeated call, it is kept sealed.
   */
  #showing(issued: readonly Issued[], { idempotency }: WriteOptions, present: Present): Present {
    if (issued.length === 0) return present
    return (committed, snapshot) => {
      const answer = present(committed, snapshot)
      const used = issued.filter(({ resource, id, token }) => {
        const after = committed && collection(committed.after, resource).get(id)
        return after?.spec.hash === hashOf(token)
      })
      if (used.length === 0) return answer
      const body = JSON.parse(answer.body) as { readonly id?: string }
      const shown = body.id === undefined ? { tokens: used } : { token: used[0]?.token }
      const text = JSON.stringify({ ...body, ...shown })
      return { ...answer, body: idempotency ? this.#answers.sealed(text) : text }
    }
  }

  /** Which keys what is sealed is under now. */
  async sealedStatus() {
    const { store, config } = this.deps
    const { statusAfter } = await survey(store, config)
    const answersRemaining = await this.#answers.remaining(this.#resealing)
    return { ...statusAfter(new Set()), answersRemaining }
  }

  /**
   * Brings under the master key of now what is under another one: one revision of a bounded size,
   * so that it may take several calls. Kept answers are no part of the log, and go first.
   */
  async rewrap(options: WriteOptions): Promise<Answer> {
    const { store, config } = this.deps
    const intent = { ...options.intent, reason: options.intent.reason ?? 'rewrap' }
    if (!options.dryRun) await this.#answers.renew(this.#resealing)
    const found = await survey(store, config)
    const dataKeys: NewDataKeys = new Map()
    const present: Present = (committed, snapshot) => {
      const revision = committed?.message.revision ?? snapshot.head.revision
      const events = committed?.body.events ?? []
      const status = found.statusAfter(new Set(events.map((one) => `${one.resource}/${one.id}`)))
      const body = JSON.stringify({ revision, resealed: events.length, ...status })
      return { status: 200, headers: {}, body }
    }
    const how = { ...options, intent, looksAt: found.batch, dataKeys }
    return this.change(this.#resealing.rewrap(found, dataKeys), how, present)
  }

  /** Makes the state what a document says. */
  async apply(document: ConfigDocument, how: ApplyOptions, options: WriteOptions): Promise<Answer> {
    const dataKeys: NewDataKeys = new Map()
    const decided = decideConfig(this.#sealing.document(document, dataKeys), how)
    const looksAt = namedIn(document)
    return this.change(decided, { ...options, looksAt, dataKeys }, presentRevision)
  }

  /** Check, append, answer, wait: what every change has in common. */
  async change(decided: Decide, options: ChangeOptions, present: Present): Promise<Answer> {
    const { store } = this.deps
    const { waitMs, looksAt = [], undoes, dataKeys = new Map<string, string>() } = options
    const waits = waitMs !== undefined && !options.dryRun
    // Asked before the write: once it is committed, no trouble may turn it into an error.
    const { lineage, epoch } = waits ? await store.head() : NO_LOG
    let drafts: readonly Draft[] = []
    const outcome = await store.write({
      intent: options.intent,
      idempotency: this.#keyed(options.idempotency),
      dryRun: options.dryRun,
      looksAt,
      dataKeys,
      ...(undoes ? { undoes } : {}),
      checks: options.checks ?? checksFor(options.intent),
      decide: (snapshot, past) => {
        const moved = movedHead(options.ifHead ?? null, snapshot)
        if (moved) return err(moved)
        const result = this.#resealing.renewed(decided, dataKeys)(snapshot, past)
        drafts = result.ok ? result.value : []
        return result
      },
      present: options.dryRun ? (options.presentDryRun ?? presentDryRun) : present,
    })
    if (outcome.kind === 'refused') throw new Refused(masked(outcome.refusal))
    const { revision } = outcome
    const answer = this.#answers.opened(outcome.answer)
    if (!waits) return { ...answer, revision }
    const convergence = await this.#wait(drafts, { lineage, epoch, revision }, waitMs)
    return { ...answer, revision, convergence }
  }

  /** All state of these kinds now, or at `asOf`: a revision or a time. */
  async state(asOf: string | undefined, only: readonly ResourceName[]): Promise<Snapshot> {
    const revision = await this.revisionOf(asOf)
    const snapshot = await this.deps.store.snapshot(revision, only)
    if (snapshot) return snapshot
    throw noSuchRevision(revision)
  }

  /** Of the state now, or at `asOf`, what requests for some models depend on. */
  async concerning(concern: Concern, asOf?: string): Promise<Snapshot> {
    const { store, statuses } = this.deps
    const revision = await this.revisionOf(asOf)
    const discovered = statuses.serving(new Set(concern.models))
    const snapshot = await store.concerning({ ...concern, discovered }, revision)
    if (snapshot) return snapshot
    throw noSuchRevision(revision)
  }

  /** One resource now, or as it was; null where it is not. */
  async resource(
    name: ResourceName,
    id: string,
    asOf: string | undefined,
  ): Promise<Resource | null> {
    const { store } = this.deps
    const revision = await this.revisionOf(asOf)
    const found = await store.resource(name, id, revision)
    if (revision === undefined || revision <= (await store.head()).revision) return found
    throw noSuchRevision(revision)
  }

  /** The states at two of them, each only with what was changed in between. */
  async between(from: string, to: string | undefined): Promise<Between> {
    const [first = 0, last] = [await this.revisionOf(from), await this.revisionOf(to)]
    const found = await this.deps.store.between(first, last)
    if (found === 'too many') {
      throw refused('validation_failed', 'too much differs; ask for a shorter way', [
        { path: 'from', message: 'expected a revision with fewer changes until the other' },
      ])
    }
    if (found) return found
    throw noSuchRevision(Math.max(first, last ?? 0))
  }

  /** The revision that a caller named by its number or by a time. */
  async revisionOf(asOf: string | undefined): Promise<number | undefined> {
    if (asOf === undefined) return undefined
    if (/^\d{1,15}$/.test(asOf)) return Number(asOf)
    const time = parseTime(asOf)
    if (time) return this.deps.store.revisionAt(time)
    const problem = { path: 'asOf', message: 'expected a revision or an RFC 3339 time' }
    throw refused('unknown_parameter', 'asOf is not as it should be', [problem])
  }

  /** The time that a caller named, by itself or by the revision that was committed then; or now. */
  async msOf(asOf: string | undefined): Promise<number> {
    const { store, clock } = this.deps
    if (asOf === undefined) return clock.nowMs()
    const time = parseTime(asOf)
    if (time) return time.getTime()
    const found = await store.revision(Number(asOf))
    return found ? Date.parse(found.body.at) : 0
  }

  /** Waits for the proxies, and for a probe's first look where models are found out. */
  async #wait(drafts: readonly Draft[], head: LogEnd, waitMs: number): Promise<Convergence> {
    const { fleet, statuses, clock } = this.deps
    const startMs = clock.monotonicMs()
    const convergence = await fleet.converged(head, waitMs)
    for (const { resource, id } of drafts) {
      if (resource !== 'backend') continue
      const restMs = waitMs - (clock.monotonicMs() - startMs)
      if (restMs <= 0) break
      const backend = await this.#backend(id)
      const spec = backend?.spec
      if (!backend || spec?.models !== 'discover' || !spec.enabled || !spec.health.enabled) continue
      await statuses.seen(backend.id, backend.revision, restMs)
    }
    return convergence
  }

  async #backend(id: string): Promise<Resource<'backend'> | null> {
    try {
      return await this.deps.store.resource('backend', id)
    } catch (error) {
      if (error instanceof DatabaseUnavailable) return null
      throw error
    }
  }

  /** A body may hold an apiKey: a plain digest of it in the database could be guessed at. */
  #keyed(idempotency: WriteOptions['idempotency']): RequestKey | null {
    if (!idempotency) return null
    const { masterKey, previousMasterKeys = [] } = this.deps.config
    const text = `signalbox/request-hash\n${idempotency.requestHash}`
    const under = (key: Uint8Array) => createHmac('sha256', key).update(text).digest('hex')
    const formerHashes = previousMasterKeys.map(under)
    return { key: idempotency.key, requestHash: under(masterKey), formerHashes }
  }
}

export function noSuchRevision(revision: number | undefined): Refused {
  return refused('not_found', `there is no revision ${revision} yet`)
}

function namedIn(document: ConfigDocument): readonly Named[] {
  return CONFIG_RESOURCES.flatMap((resource) =>
    Object.keys(document[DEFINITIONS[resource].plural] ?? {}).map((id) => ({ resource, id })),
  )
}

function masked(refusal: Refusal): Refusal {
  const { current } = refusal
  // Of the whole configuration it is the revision alone.
  if (current === undefined || !Object.hasOwn(current as object, 'spec')) return refusal
  return { ...refusal, current: presentResource(current as Resource) }
}

/** 201 or 200 with the resource, as it is after the change (or already was). */
export function presentWritten(name: ResourceName, idOf: () => string): Present {
  return (committed, snapshot) => {
    const id = idOf()
    const after = collection(committed?.after ?? snapshot, name).get(id)
    if (!after) throw new Error(`${name} ${id} is gone after it was written`)
    const created = committed?.body.events.some((event) => event.type.endsWith('.created')) ?? false
    const path = `/admin/v1/${DEFINITIONS[name].plural}/${encodeURIComponent(id)}`
    return {
      status: created ? 201 : 200,
      headers: { etag: `"${after.revision}"`, ...(created ? { location: path } : {}) },
      body: JSON.stringify(presentResource(after)),
    }
  }
}

export function presentRevision(committed: Committed | null, snapshot: Snapshot): StoredAnswer {
  const revision = committed?.message.revision ?? snapshot.head.revision
  const changes = committed ? changesOf(committed) : []
  const headers = { etag: `"${revision}"` }
  return { status: 200, headers, body: JSON.stringify({ revision, changes }) }
}

export function presentDryRun(committed: Committed | null, snapshot: Snapshot): StoredAnswer {
  const changes = committed ? changesOf(committed) : []
  const body = { dryRun: true, revision: snapshot.head.revision, changes }
  return { status: 200, headers: {}, body: JSON.stringify(body) }
}

export function changesOf({ body, before }: Committed) {
  return body.events.map((event) =>
    presentChange({
      resource: event.resource,
      id: event.id,
      op: event.type.slice(event.resource.length + 1),
      before: collection(before, event.resource).get(event.id)?.spec ?? null,
      after: event.spec,
    }),
  )
}
