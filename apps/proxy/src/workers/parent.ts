import { type ChildProcess } from 'node:child_process'
import {
  type DiskCopy,
  follow,
  type Following,
  type Loaded,
  manifestTrust,
  openDiskCopy,
} from '@signalbox/bus'
import { Counter, gaugesOf, type ListenAddress, type Metrics, type Running } from '@signalbox/host'
import { activeFor, type LeaseReport, type Status } from '@signalbox/model'
import { type ProxyConfig } from '../config.ts'
import { modelsPath } from '../configuration.ts'
import { FoundModels } from '../found-models.ts'
import { registerFollowMetrics } from '../follow-metrics.ts'
import { diskFolder, hearStatus, identityOf, spoolUsage } from '../seat.ts'
import { ID_RADIX, type ProxyDeps } from '../start.ts'
import { type UsageLane } from '../usage.ts'
import { Acceptor } from './acceptor.ts'
import { Crew } from './crew.ts'
import { Feed } from './feed.ts'
import { Gather } from './gather.ts'
import { type Member, type MemberHooks } from './member.ts'
import { type ProxyState, type ToWorker } from './messages.ts'

export interface WorkersOptions {
  readonly workers: number
  readonly fork: () => ChildProcess
}

export interface RunningWorkers extends Running {
  readonly addresses: readonly ListenAddress[]
  /** Replaces the workers one by one; loses no request. */
  roll(): Promise<void>
  /** Ends the workers with this process, without a drain. */
  kill(): void
}

/**
 * The parent of several workers. It follows the log for all of them, listens and hands them the
 * connections; it serves no request itself. To the fleet they are one proxy: what is acked is on
 * disk and routes requests in every worker.
 */
export async function startWorkers(
  config: ProxyConfig,
  deps: ProxyDeps,
  options: WorkersOptions,
): Promise<RunningWorkers> {
  const disk = openDiskCopy(diskFolder(config))
  const parent = new Parent({ config, deps, options, disk, restored: await disk.load() })
  return parent.start()
}

interface Parts {
  readonly config: ProxyConfig
  readonly deps: ProxyDeps
  readonly options: WorkersOptions
  readonly disk: DiskCopy
  readonly restored: Loaded
}

class Parent {
  readonly #parts: Parts
  readonly #feed = new Feed()
  readonly #found: FoundModels
  readonly #acceptor: Acceptor
  readonly #gather: Gather
  readonly #crew: Crew
  readonly #usage: UsageLane
  /** Workers by the name that they count limits under: the bus brings back what they said. */
  readonly #ownPlanes = new Set<string>()
  #following: Following | null = null

  constructor(parts: Parts) {
    this.#parts = parts
    const { config, deps, options, restored } = parts
    const { clock, log, metrics } = deps
    const feed = this.#feed
    if (restored.snapshot) feed.take(activeFor(restored.snapshot, identityOf(config)))
    this.#found = new FoundModels(modelsPath(config), log)
    const boot = Math.floor(deps.random() * Number.MAX_SAFE_INTEGER).toString(ID_RADIX)
    this.#usage = spoolUsage(config, deps, boot)
    const members = () => this.#crew.members
    this.#acceptor = new Acceptor(config.listen, { members, clock })
    this.#gather = new Gather({ clock, metrics, members, feed })
    this.#crew = new Crew({
      ...{ wanted: options.workers, fork: options.fork, config, feed, clock, log },
      hooks: (member) => this.#hooks(member),
      onGone: (member) => {
        this.#acceptor.gone(member)
        this.#gather.gone(member)
        this.#tellState()
      },
    })
  }

  async start(): Promise<RunningWorkers> {
    const { config, deps, options } = this.#parts
    const { bus, clock, log, metrics } = deps
    const crew = this.#crew
    const addresses = await this.#acceptor.listen(config.listen)
    try {
      await crew.start()
    } catch (error) {
      crew.kill()
      throw error
    }
    const following = this.#follow()
    this.#following = following
    following.onChange(() => this.#tellState())
    registerFollowMetrics(metrics, { following, clock })
    registerWorkerMetrics(metrics, crew, this.#acceptor)
    const endStatus = hearStatus({ bus, clock }, (statuses) => this.#observe(statuses))
    const endLeases = [
      bus.onLeases((report) => {
        if (!this.#ownPlanes.has(report.from)) this.#post({ to: 'leases', report })
      }),
      bus.onSpending((spending) => this.#post({ to: 'spending', spending })),
      bus.onConnection(() => this.#tellState()),
    ]
    log.info({ addresses, id: config.id, workers: options.workers }, 'proxy listens')
    return {
      addresses,
      roll: () => crew.roll(),
      kill: () => crew.kill(),
      stop: async () => {
        following.drain()
        await crew.stop(() => this.#acceptor.close())
        this.#acceptor.end()
        endStatus()
        for (const end of endLeases) end()
        await this.#usage.stop()
        await following.stop()
        await this.#found.saved()
      },
    }
  }

  #follow(): Following {
    const { config, deps, disk, restored } = this.#parts
    return follow({
      ...deps,
      identity: identityOf(config),
      trusts: manifestTrust(config),
      load: () => this.#crew.load(process.memoryUsage.rss()),
      disk: {
        ...(disk.chunks ? { chunks: disk.chunks } : {}),
        load: () => Promise.resolve(restored),
        // What is not served everywhere must not be acked, and an ack follows this.
        save: async (snapshot, changed) => {
          const [saved] = await Promise.all([disk.save(snapshot, changed), this.#crew.served()])
          return saved
        },
      },
      onSnapshot: (snapshot, changed) => {
        // Workers were welcomed with what was restored.
        if (snapshot !== this.#feed.snapshot) {
          this.#feed.take(snapshot)
          this.#crew.push(changed)
          this.#found.keepOnly((id) => snapshot.backends.has(id))
        }
        return this.#crew.nacks()
      },
    })
  }

  #hooks(member: () => Member): MemberHooks {
    return {
      state: () => this.#state(),
      onTaken: (id) => this.#acceptor.taken(id),
      onRecords: (lines) => this.#usage.addLines(lines),
      onLeases: (report) => this.#passOn(member(), report),
      onCollected: (id, value) => this.#gather.collected(id, member(), value),
      onAsk: (id, what) => {
        void this.#gather.answer(what).then((value) => member().post({ to: 'answer', id, value }))
      },
      onChange: () => {
        // Before the ack, which follows the last confirmation.
        this.#following?.refused(this.#crew.nacks())
        this.#crew.onConfirmed()
        this.#acceptor.distribute()
        this.#tellState()
      },
    }
  }

  #observe(statuses: readonly Status[]): void {
    this.#feed.observe(statuses)
    for (const { backend, models } of statuses) {
      const known = this.#feed.snapshot?.backends.has(backend)
      if (known && models !== null) this.#found.set(backend, models)
    }
    this.#post({ to: 'statuses', statuses })
  }

  /** To the other workers and to the other proxies. */
  #passOn(from: Member, report: LeaseReport): void {
    this.#ownPlanes.add(report.from)
    this.#parts.deps.bus.sendLeases(report)
    for (const member of this.#crew.members) {
      if (member.welcomed && member !== from) member.post({ to: 'leases', report })
    }
  }

  #state(): ProxyState {
    return {
      following: this.#following?.state() ?? UNSTARTED,
      workers: this.#crew.counts(),
      cut: !this.#parts.deps.bus.connected(),
    }
  }

  #tellState(): void {
    this.#post({ to: 'state', state: this.#state() })
  }

  #post(message: ToWorker): void {
    for (const member of this.#crew.members) if (member.welcomed) member.post(message)
  }
}

function registerWorkerMetrics(metrics: Metrics, crew: Crew, acceptor: Acceptor): void {
  const gauge = gaugesOf(metrics)
  gauge('signalbox_workers', 'Workers that take connections', () => crew.serving)
  gauge('signalbox_workers_wanted', 'Workers that there should be', () => crew.counts().wanted)
  const total = (name: string, help: string, read: () => number) =>
    new Counter({
      name,
      help,
      registers: [metrics],
      collect() {
        this.reset()
        this.inc(read())
      },
    })
  total('signalbox_worker_restarts_total', 'Workers that were replaced because they ended', () => {
    return crew.restarts
  })
  total('signalbox_connections_shed_total', 'Connections that no worker could take', () => {
    return acceptor.shed
  })
}

const UNSTARTED: ProxyState['following'] = {
  state: 'cold',
  received: 0,
  active: 0,
  configured: false,
  behind: 0,
  nacks: [],
  reasons: [],
}
