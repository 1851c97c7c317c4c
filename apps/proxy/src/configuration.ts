import { join } from 'node:path'
import { type Following } from '@signalbox/bus'
import { type Clock, type Log, openSealed, shedGarbage } from '@signalbox/host'
import { type Load, type Nack, type Snapshot, type Status } from '@signalbox/model'
import {
  compile,
  type CompiledBackend,
  type Ejected,
  type EjectionCause,
  type Table,
} from '@signalbox/routing'
import { type ProxyConfig } from './config.ts'
import { FoundModels } from './found-models.ts'
import { type Binding, isLocked, Live, observeStatus, refreshEligible } from './live-backend.ts'
import { type ModelAnswers, renderModels } from './models.ts'
import { countingFor, type ReleaseCounting } from './release-counting.ts'
import { type Seat } from './seat.ts'

/** Early statuses that are kept at most. */
const EARLY_MAX = 10_000

/** With more resources, what reading them has left is more than what is kept of them. */
const LARGE = 50_000

/** What a request routes by: it takes one of these and keeps it to its end. */
export interface Routing {
  readonly table: Table
  /** By CompiledBackend.index. */
  readonly live: readonly Live[]
  readonly models: ModelAnswers
  /** As the response header wants it. */
  readonly revision: string
  /** While a release is open: what its requests are counted in. */
  readonly counting: ReleaseCounting | undefined
}

export interface ConfigurationOptions {
  readonly config: ProxyConfig
  readonly seat: Seat
  readonly clock: Clock
  readonly log: Log
  readonly load: () => Load
  readonly onEjected: (backend: string, cause: EjectionCause) => void
  /** It was removed, and its last request has left it. */
  readonly onRemoved: (backend: string) => void
  /** Another table is in force. */
  readonly onSwap: (live: readonly Live[]) => void
}

/** Where the models that probes found lie. */
export function modelsPath({ dataDir, id }: ProxyConfig): string {
  return join(dataDir, 'proxy', id, 'models.json')
}

/** Follows the log and the probes, and holds the one pointer that a swap replaces. */
export class Configuration {
  #routing: Routing | undefined
  #snapshot: Snapshot | undefined
  readonly #live = new Map<string, Live>()
  readonly #found: FoundModels
  readonly #waiting = new Set<() => void>()
  /** Statuses of backends that the log has not told of yet: the lanes have no common order. */
  readonly #early = new Map<string, Status>()
  readonly #options: ConfigurationOptions
  readonly #endStatus: () => void
  readonly following: Following

  constructor(options: ConfigurationOptions) {
    const { config, seat, log, load } = options
    this.#options = options
    this.#found = new FoundModels(modelsPath(config), log, seat.keepsModels)
    const { following, end } = seat.follow({
      load: () => {
        const release = this.#routing?.counting?.counts()
        return release ? { ...load(), release } : load()
      },
      onSnapshot: (snapshot) => this.#apply(snapshot),
      onStatus: (statuses) => this.#observe(statuses),
    })
    this.following = following
    this.#endStatus = end
  }

  /** The one read that a request makes. Undefined until the first snapshot. */
  current(): Routing | undefined {
    return this.#routing
  }

  backends(): IterableIterator<Live> {
    return this.#live.values()
  }

  /**
   * Whether some backend's models are still being found out: an unknown model may be one of them.
   */
  isDiscovering(): boolean {
    for (const { backend, status, removed } of this.#live.values()) {
      const { models, enabled, health } = backend.spec
      const asked = models === 'discover' && enabled && health.enabled && !removed
      const unseen = status === null || (status.health === 'unknown' && status.models === null)
      if (asked && unseen) return true
    }
    return false
  }

  /** Settles at the next swap, or after the time. */
  nextSwap(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel()
        this.#waiting.delete(done)
        resolve()
      }
      const cancel = this.#options.clock.after(withinMs, done)
      this.#waiting.add(done)
    })
  }

  /** Nobody picks it for a while. */
  ejected({ id: backend }: Live, { cause, model, untilMs }: Ejected): void {
    const { clock, log, onEjected } = this.#options
    const ejectedMs = untilMs - clock.monotonicMs()
    onEjected(backend, cause)
    log.warn({ backend, model, cause, ejectedMs }, 'backend ejected')
  }

  async stop(): Promise<void> {
    this.#endStatus()
    await this.following.stop()
    await this.#found.saved()
    await Promise.all([...this.#live.values()].map((live) => live.openedUpstream?.destroy()))
  }

  /** Called when a request has left a backend: one that was removed goes with its last request. */
  reap(live: Live): void {
    if (!live.removed || live.inFlight > 0) return
    this.#live.delete(live.id)
    live.openedUpstream?.close()
    this.#options.onRemoved(live.id)
  }

  #apply(snapshot: Snapshot): readonly Nack[] {
    const isFirst = this.#routing === undefined
    this.#snapshot = snapshot
    const { table, problems } = compile(snapshot, this.#found.byBackend, this.#routing?.table)
    const unopened: Nack[] = []
    const { network } = table
    const live = table.backends.map((backend) => {
      const secret = this.#open(backend, unopened)
      return this.#bind({ backend, secret, network })
    })
    for (const one of this.#live.values()) {
      if (table.backendById.has(one.id)) continue
      one.rebindNetwork(network)
      one.removed = true
      this.reap(one)
    }
    this.#found.keepOnly((id) => table.backendById.has(id))
    const { revision } = table.head
    const counting = countingFor(snapshot, this.#options.config, this.#routing?.counting)
    const models = renderModels(table)
    this.#routing = { table, live, models, revision: String(revision), counting }
    this.#replayEarly()
    this.#wake()
    this.#options.onSwap(live)
    if (isFirst && isLarge(snapshot)) shedGarbage()
    return [...problems.map((problem) => ({ revision, ...problem })), ...unopened]
  }

  #keepEarly(status: Status): void {
    if (this.#early.size < EARLY_MAX) this.#early.set(status.backend, status)
  }

  #replayEarly(): void {
    const statuses = [...this.#early.values()].filter(({ backend }) => this.#live.has(backend))
    for (const { backend } of statuses) this.#early.delete(backend)
    if (statuses.length > 0) this.#observe(statuses)
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done()
  }

  #bind(binding: Binding): Live {
    const { backend, secret } = binding
    const before = this.#live.get(backend.id)
    const live = before ?? new Live(binding)
    // As with all that does not compile, the last good version stays.
    const keep = before && !before.locked && isLocked(backend, secret)
    if (keep) before.rebindNetwork(binding.network)
    else if (before) before.rebind(binding)
    this.#live.set(backend.id, live)
    refreshEligible(live)
    return live
  }

  #open(backend: CompiledBackend, unopened: Nack[]): string | undefined {
    const { config } = this.#options
    const { id, credential } = backend
    if (!credential) return undefined
    const { sealed, place } = credential
    const opened = openSealed(sealed, config, `${config.fleet}/${place}`)
    if (opened.ok) return opened.text
    const what = place.startsWith('secret/') ? `its ${place.replace('/', ' ')}` : 'its credential'
    const message = `${what} ${opened.problem}`
    const revision = Math.max(backend.revision, credential.revision)
    unopened.push({ revision, resource: 'backend', id, code: 'does_not_compile', message })
    return undefined
  }

  #observe(statuses: readonly Status[]): void {
    let modelsChanged = false
    let firstSeen = false
    for (const status of statuses) {
      const live = this.#live.get(status.backend)
      if (!live) {
        this.#keepEarly(status)
        continue
      }
      const first = live.status === null
      if (!observeStatus(live, status)) continue
      firstSeen ||= first
      refreshEligible(live)
      const { models } = status
      if (models !== null && this.#found.set(live.id, models)) {
        modelsChanged ||= live.backend.spec.models === 'discover'
      }
    }
    if (modelsChanged && this.#snapshot) this.#apply(this.#snapshot)
    else if (firstSeen) this.#wake()
  }
}

function isLarge({ backends, keys }: Snapshot): boolean {
  return backends.size + keys.size > LARGE
}
