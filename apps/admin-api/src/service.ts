import { createHmac } from 'node:crypto'
import { REVISION_BYTES_MAX } from '@signalbox/bus'
import { type Command, decideAll, decide } from '@signalbox/control'
import { type Clock, fingerprint, type Log, seal } from '@signalbox/host'
import {
  canonicalJson,
  collection,
  DEFINITIONS,
  type Draft,
  err,
  refuse,
  type Refusal,
  type Resource,
  type ResourceName,
  type Result,
  type RevisionBody,
  type Snapshot,
  project,
  EVENT_SCHEMA,
} from '@signalbox/model'
import { compile } from '@signalbox/routing'
import {
  type Committed,
  DatabaseUnavailable,
  type Store,
  type StoredAnswer,
} from '@signalbox/store'
import { type AdminConfig } from './config.ts'
import { type Convergence, type Fleet, type LogEnd } from './fleet.ts'
import { presentChange, presentResource } from './masking.ts'
import { Refused, refused } from './refused.ts'
import { type WriteOptions } from './request.ts'
import { type Statuses } from './statuses.ts'

export interface ServiceDeps {
  readonly config: AdminConfig
  readonly store: Store
  readonly fleet: Fleet
  readonly statuses: Statuses
  readonly clock: Clock
  readonly log: Log
}

export interface Answer extends StoredAnswer {
  /** Of the change, or where the log ended when nothing changed. */
  readonly revision: number
  readonly convergence?: Convergence
}

/** How a committed change is answered; the store remembers it under the Idempotency-Key. */
export type Present = (committed: Committed | null, snapshot: Snapshot) => StoredAnswer

const API_KEY_LENGTH_MAX = 4_096
/** Position, version and schema of an event in a revision's body. */
const EVENT_BYTES = 96
/** The rest of that body: lineage, numbers, time, and an intent whose texts are bounded. */
const ENVELOPE_BYTES = 16_384

/**
 * The one write path: seal, decide, check, append, answer, wait. And the reads that need a state.
 */
export class AdminService {
  readonly deps: ServiceDeps

  constructor(deps: ServiceDeps) {
    this.deps = deps
  }

  async run(
    commands: readonly Command[],
    options: WriteOptions,
    present: Present,
  ): Promise<Answer> {
    const { store } = this.deps
    const { waitMs } = options
    const waits = waitMs !== undefined && !options.dryRun
    // Asked before the write: once it is committed, no trouble may turn it into an error.
    const lineage = waits ? (await store.head()).lineage : ''
    const sealed = commands.map((command, index) =>
      this.#seal(command, options.several ? `operations.${index}.` : ''),
    )
    const outcome = await store.write({
      intent: options.intent,
      idempotency: this.#keyed(options.idempotency),
      dryRun: options.dryRun,
      decide: (snapshot) => decideAndCheck(sealed, snapshot, options.several === true),
      present: options.dryRun ? presentDryRun : present,
    })
    if (outcome.kind === 'refused') throw new Refused(masked(outcome.refusal))
    const { answer, revision } = outcome
    if (!waits) return { ...answer, revision }
    const convergence = await this.#wait(sealed, { lineage, revision }, waitMs)
    return { ...answer, revision, convergence }
  }

  /** All state now, or at `asOf`: a revision or a time. */
  async state(asOf: string | undefined): Promise<Snapshot> {
    const revision = await this.#revisionOf(asOf)
    const snapshot = await this.deps.store.snapshot(revision)
    if (snapshot) return snapshot
    throw refused('not_found', `there is no revision ${revision} yet`)
  }

  async #revisionOf(asOf: string | undefined): Promise<number | undefined> {
    if (asOf === undefined) return undefined
    if (/^\d{1,15}$/.test(asOf)) return Number(asOf)
    const time = /^\d{4}-\d\d-\d\dT/.test(asOf) ? new Date(asOf) : undefined
    if (time && !Number.isNaN(time.getTime())) return this.deps.store.revisionAt(time)
    const problem = { path: 'asOf', message: 'expected a revision or an RFC 3339 time' }
    throw refused('unknown_parameter', 'asOf is not as it should be', [problem])
  }

  /** Waits for the proxies, and for a probe's first look where models are found out. */
  async #wait(commands: readonly Command[], head: LogEnd, waitMs: number): Promise<Convergence> {
    const { fleet, statuses, clock } = this.deps
    const startMs = clock.monotonicMs()
    const convergence = await fleet.converged(head, waitMs)
    for (const command of commands) {
      if (command.resource !== 'backend' || command.op === 'delete') continue
      const backend = await this.#backend(String(command.id))
      const spec = backend?.spec
      if (!backend || spec?.models !== 'discover' || !spec.enabled || !spec.health.enabled) continue
      const restMs = waitMs - (clock.monotonicMs() - startMs)
      if (restMs > 0) await statuses.seen(backend.id, backend.revision, restMs)
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
  #keyed(idempotency: WriteOptions['idempotency']): WriteOptions['idempotency'] {
    if (!idempotency) return null
    const hmac = createHmac('sha256', this.deps.config.masterKey)
    const digest = hmac.update(`signalbox/request-hash\n${idempotency.requestHash}`).digest('hex')
    return { ...idempotency, requestHash: digest }
  }

  /** The shorthand `apiKey` becomes a sealed credential before anybody else sees the spec. */
  #seal(command: Command, at: string): Command {
    if (command.resource !== 'backend' || command.op === 'delete') return command
    const spec = command.op === 'patch' ? command.patch : command.spec
    if (typeof spec !== 'object' || spec === null) return command
    if (isSealed(spec)) throw wrongField(`${at}spec.credential.sealed`, 'send apiKey instead')
    if (!('apiKey' in spec)) return command
    const wrongKey = (message: string) => wrongField(`${at}spec.apiKey`, message)
    const { apiKey, ...rest } = spec
    const { fleet, masterKey } = this.deps.config
    if ('credential' in rest) throw wrongKey('expected either apiKey or credential')
    if (apiKey === null && command.op === 'patch') {
      return { ...command, patch: { ...rest, credential: null } }
    }
    const fits = typeof apiKey === 'string' && /^[\x21-\x7e]+$/.test(apiKey)
    if (!fits || apiKey.length > API_KEY_LENGTH_MAX) {
      throw wrongKey('expected 1 to 4096 visible characters')
    }
    const credential = {
      sealed: seal(apiKey, masterKey, `${fleet}/backend/${String(command.id)}`),
      fingerprint: fingerprint(apiKey, masterKey),
    }
    if (command.op === 'patch') return { ...command, patch: { ...rest, credential } }
    return { ...command, spec: { ...rest, credential } }
  }
}

/** Only #seal() makes sealed credentials: bytes from elsewhere would not open in a proxy. */
function isSealed(spec: object): boolean {
  const credential = 'credential' in spec ? spec.credential : undefined
  return typeof credential === 'object' && credential !== null && 'sealed' in credential
}

function wrongField(path: string, message: string): Refused {
  return refused('validation_failed', 'the spec is not valid', [{ path, message }])
}

/** At most how large the body of a revision with these events gets. */
function bytesOf(drafts: readonly Draft[]): number {
  return Buffer.byteLength(canonicalJson(drafts)) + drafts.length * EVENT_BYTES + ENVELOPE_BYTES
}

/** Rules, then the compiler that the proxies use: what they could not use is refused here. */
function decideAndCheck(
  commands: readonly Command[],
  snapshot: Snapshot,
  several: boolean,
): Result<readonly Draft[], Refusal> {
  const [only] = commands
  const decided = only && !several ? decide(only, snapshot) : decideAll(commands, snapshot)
  if (!decided.ok || decided.value.length === 0) return decided
  const bytes = bytesOf(decided.value)
  if (bytes > REVISION_BYTES_MAX) {
    // Once in the log it could never be published, and nothing that comes after it either.
    const sizes = `${bytes} bytes as one revision, over ${REVISION_BYTES_MAX}`
    return err(refuse('admin_body_too_large', `the change has ${sizes}; change less in one call`))
  }
  const { problems } = compile(preview(snapshot, decided.value), new Map())
  const touched = problems.find((problem) =>
    decided.value.some(({ resource, id }) => resource === problem.resource && id === problem.id),
  )
  if (!touched) return decided
  const { resource, id, message } = touched
  return err(refuse('does_not_compile', `${resource} ${id}: ${message}`))
}

/** The state as it would be; numbers and times do not matter to the compiler. */
function preview(snapshot: Snapshot, drafts: readonly Draft[]): Snapshot {
  const { lineage, epoch, revision, hash } = snapshot.head
  const message = { lineage, epoch, revision: revision + 1, previousHash: hash, hash, body: '' }
  const events = drafts.map((draft, index) => ({ ...draft, position: index, schema: EVENT_SCHEMA }))
  const at = '1970-01-01T00:00:00.000Z'
  return project(snapshot, message, {
    revision: revision + 1,
    at,
    events,
  } as unknown as RevisionBody)
}

function masked(refusal: Refusal): Refusal {
  if (refusal.current === undefined) return refusal
  return { ...refusal, current: presentResource(refusal.current as Resource) }
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
  return { status: 200, headers: {}, body: JSON.stringify({ revision, changes }) }
}

function presentDryRun(committed: Committed | null, snapshot: Snapshot): StoredAnswer {
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
