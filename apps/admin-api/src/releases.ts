import { randomUUID } from 'node:crypto'
import { decideAdvance, decideUndo } from '@signalbox/control'
import { type Cancel, gaugesOf, type Metrics } from '@signalbox/host'
import { type Intent, openRelease, type Release, type Snapshot } from '@signalbox/model'
import { type Decide } from './check.ts'
import { presentRelease, type Standing, standingOf, ReleaseTallies } from './release-standing.ts'
import { type Answer, type AdminService, type Present } from './service.ts'

const LOOK_MS = 1_000
/** Looks in which a hint of the database may be missed while nothing is open. */
const LOOKS_QUIET = 5

/** What becomes of a release; for whoever listens to events. */
export type ReleaseListener = (release: ReturnType<typeof presentRelease>) => void

/** A step of a release, by whom. */
export interface Step {
  readonly id: string
  /** Null: an operator, who does not say which stage was seen. */
  readonly stage: number | null
  readonly why: string
}

/** How a step is written: a caller's own options, or the system's. */
type Options = Parameters<AdminService['change']>[1]

/*
 * Watches over the open release, in each instance of the admin API on its own: judges it once a
 * second by what proxies tell, and takes its steps. What it is in stands in the log, so that an
 * instance that starts goes on where it was; steps name the stage that they start from, so that of
 * several instances one takes each. What cannot be written now is tried again at the next look.
 */
export class Releases {
  readonly #service: AdminService
  readonly #tallies = new ReleaseTallies()
  readonly #listeners = new Set<ReleaseListener>()
  readonly #ends: Cancel[]
  #open: Release | undefined
  /** By id, what listeners were told of it last. */
  #told: ReadonlyMap<string, string | undefined> | undefined
  #seen = ''
  #looking: Promise<void> | undefined
  #looks = 0
  #failing = false

  constructor(service: AdminService, metrics: Metrics) {
    this.#service = service
    const gauge = gaugesOf(metrics)
    gauge('signalbox_release_open', '1 while a release is open', () => Number(!!this.#open))
    const { store, clock, fleet } = service.deps
    this.#ends = [
      store.onAppend(() => void this.look()),
      fleet.onChange((heartbeat) => this.#open && this.#tallies.hear(heartbeat)),
      clock.every(LOOK_MS, () => {
        if (this.#open || this.#looks++ % LOOKS_QUIET === 0) void this.look()
      }),
    ]
    void this.look()
  }

  async stop(): Promise<void> {
    for (const end of this.#ends) end()
    await this.#looking
  }

  onChange(listener: ReleaseListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** How it does, where it is the one that is open. */
  standing(release: Release): Standing | null {
    const { fleet } = this.#service.deps
    if (release.spec.state !== 'open' || release.id !== this.#open?.id) return null
    return standingOf(release, this.#tallies, fleet)
  }

  /** One at a time; a hint that comes meanwhile is made up for by the next look. */
  look(): Promise<void> {
    this.#looking ??= this.#look()
      .then(
        () => (this.#failing = false),
        (error: unknown) => this.#onFailed(error),
      )
      .then(() => (this.#looking = undefined))
    return this.#looking
  }

  /** Said once: it is tried again each second. */
  #onFailed(error: unknown): void {
    const { log } = this.#service.deps
    if (!this.#failing) log.warn({ err: error }, 'releases cannot be looked after now')
    this.#failing = true
  }

  /** Ids of proxies that can take part. */
  proxies(): readonly string[] {
    return this.#service.deps.fleet
      .members()
      .filter(({ live, heartbeat: { role, state } }) => {
        return live && role === 'proxy' && state !== 'draining'
      })
      .map(({ heartbeat }) => heartbeat.id)
  }

  advance({ id, stage, why }: Step, how: Options & { readonly full: boolean }): Promise<Answer> {
    const { full, ...options } = how
    const at = new Date(this.#service.deps.clock.nowMs()).toISOString()
    const proxies = this.proxies()
    const decided: Decide = (now) => decideAdvance(now, { id, stage, why, full, at, proxies })
    return this.#service.change(decided, options, presentOne(id))
  }

  /** What it replaced was in force until now and is elsewhere: there is nothing to ask of it. */
  undo({ id, stage, why }: Step, base: number, options: Options): Promise<Answer> {
    const decided: Decide = (now) => decideUndo(now, { id, stage, why })
    const intent = { ...options.intent, source: 'rollback', undoesAfter: base } as const
    const how = { ...options, intent, undoes: { named: [] }, checks: [] }
    return this.#service.change(decided, how, presentOne(id))
  }

  async #look(): Promise<void> {
    await this.#read()
    const release = this.#open
    if (!release) return
    const { clock, log } = this.#service.deps
    const { id, spec } = release
    const standing = standingOf(release, this.#tallies, this.#service.deps.fleet)
    this.#tell(release, standing)
    const { verdict, why } = standing.verdict
    const baked = clock.nowMs() - Date.parse(spec.stageAt) >= (spec.stages[spec.stage]?.bake ?? 0)
    if (verdict === 'inconclusive' || (verdict === 'good' && !baked)) return
    const step = { id, stage: spec.stage, why }
    log.info({ ...step, verdict }, 'a release takes its next step')
    const options = { ...SYSTEM, intent: systemIntent(`${id}: ${why}`) }
    if (verdict === 'good') await this.advance(step, { ...options, full: false })
    else await this.undo(step, spec.base, options)
    await this.#read()
  }

  async #read(): Promise<void> {
    const { store } = this.#service.deps
    const { lineage, epoch, revision } = await store.head()
    const seen = `${lineage} ${epoch} ${revision}`
    if (seen === this.#seen) return
    const snapshot = await store.snapshot(undefined, ['release'])
    if (!snapshot) return
    this.#seen = seen
    this.#open = openRelease(snapshot)
    if (this.#open) this.#tallies.of(this.#open)
    else this.#tallies.end()
    this.#tellChanges(snapshot)
  }

  #tellChanges({ releases }: Snapshot): void {
    const told = this.#told
    const all = [...releases.values()]
    // Listeners hear of what happens, not of what was there already; and what is gone is forgotten.
    this.#told = new Map(all.map((one) => [one.id, told ? told.get(one.id) : toldOf(one, null)]))
    if (!told) return
    for (const one of releases.values()) if (one.spec.state !== 'open') this.#tell(one, null)
  }

  #tell(release: Release, standing: Standing | null): void {
    const told = toldOf(release, standing)
    if (this.#told?.get(release.id) === told) return
    this.#told = new Map(this.#told).set(release.id, told)
    for (const listener of [...this.#listeners]) listener(presentRelease(release, standing))
  }
}

function toldOf({ spec: { state, stage } }: Release, standing: Standing | null): string {
  return `${state} ${stage} ${standing?.verdict.verdict ?? ''}`
}

const SYSTEM = { ifMatch: null, idempotency: null, dryRun: false, waitMs: undefined } as const

function systemIntent(reason: string): Intent {
  return {
    actor: { id: 'system', role: 'admin' },
    source: 'system',
    reason,
    requestId: randomUUID(),
    changeRef: null,
    address: null,
  }
}

/** The release as it is after the step, or already was. */
export function presentOne(id: string): Present {
  return (committed, snapshot) => {
    const release = (committed?.after ?? snapshot).releases.get(id)
    if (!release) throw new Error(`${id} is gone after it was written`)
    return { status: 200, headers: {}, body: JSON.stringify(presentRelease(release, null)) }
  }
}
